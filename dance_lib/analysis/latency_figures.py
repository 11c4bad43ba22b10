"""The figures of measured times, in the look of `figures`: tidy table in, matplotlib figure out."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dance_lib.analysis.figures import AXIS_COLOURS
from dance_lib.analysis.latency import DENSE, STATIC, measured_on, shown

COLOURS = {**AXIS_COLOURS, "all": sns.color_palette("colorblind")[4]}
MARKERS = {"frames": "o", "channels": "s", "features": "^", "all": "D"}
RIVALS = {"pruned": ("0.35", "v"), "narrower": ("0.65", "X")}  # colour and marker
AXIS_WORDS = {"all": "all three axes"}
RIVAL_WORDS = {"pruned": "statically pruned", "narrower": "narrower"}


def over_keep_rates(plans: pd.DataFrame) -> Figure:
    """Speedup over the fastest dense engine by keep rate: a row a precision, a column an axis.

    Beside it what the MACs and the bytes promise, and the static rivals at the same MACs.

    Args:
        plans: rows of `latency.plans` with a speedup, of one network.
    """
    rows = shown(plans)
    precisions = list(dict.fromkeys(rows["precision"]))
    axes_pruned = [name for name in COLOURS if (rows["axis"] == name).any()]
    figure, grid = plt.subplots(
        len(precisions), len(axes_pruned), sharex=True, sharey="col", squeeze=False,
        figsize=(2.7 * len(axes_pruned) + 0.6, 2.7 * len(precisions) + 1), layout="constrained",
    )  # fmt: skip
    for line, precision in zip(grid, precisions, strict=True):
        of_precision = rows[rows["precision"] == precision]
        line[0].set_ylabel(f"{precision}\nspeedup over {of_precision['rival'].iloc[0]}")
        for axes, axis in zip(line, axes_pruned, strict=True):
            curve = of_precision[of_precision["axis"].isin([axis, "full"])].sort_values("keep_rate")
            _speedups(axes, curve, COLOURS[axis], MARKERS[axis])
            axes.axhline(1, color="0.5", linewidth=1.2, zorder=1)
    for axes, axis in zip(grid[0], axes_pruned, strict=True):
        axes.set_title(AXIS_WORDS.get(axis, axis))
        _log2(axes)
    for axes in grid[-1]:
        axes.set_xlabel("keep rate")
    rates = sorted({*rows.loc[rows["axis"].isin(axes_pruned), "keep_rate"], 1.0})
    grid[0, 0].set_xticks(rates, [f"{rate:g}" for rate in rates])
    entries = [
        Line2D([], [], color="0.1", marker="o", label="ours, random plans (quartiles)"),
        Line2D([], [], color="0.1", linestyle="--", label="1 / ideal MACs"),
        Line2D([], [], color="0.1", linestyle=":", label="1 / ideal bytes"),
        *(_rival(kind, ", same MACs") for kind in STATIC if rows[kind].notna().any()),
    ]
    figure.legend(handles=entries, loc="outside upper center", ncols=3, frameon=False)
    return _signed(figure, rows)


def at_equal_macs(latency: pd.DataFrame, plans: pd.DataFrame) -> Figure:
    """Efficiency (speedup × ideal MAC ratio) against the MAC ratio, a panel a precision.

    What lies higher at the same place is quicker at the same MACs; below the thin line pruning is
    slower than the fastest dense engine.

    Args:
        latency: as `latency.read`.
        plans: rows of `latency.plans` with a speedup, of one network.
    """
    plans = shown(plans)
    own = (latency[["model", "clip_shape"]] == plans[["model", "clip_shape"]].iloc[0]).all(axis=1)
    rivals = shown(latency[own & latency["group"].isin(STATIC) & latency["speedup"].notna()])
    precisions = list(dict.fromkeys(plans["precision"]))
    figure, grid = plt.subplots(
        1, len(precisions), sharey=True, squeeze=False, layout="constrained",
        figsize=(4.2 * len(precisions) + 3.6, 4.6),
    )  # fmt: skip
    for axes, precision in zip(grid[0], precisions, strict=True):
        for kind in STATIC:
            found = rivals[(rivals["group"] == kind) & (rivals["precision"] == precision)]
            colour, marker = RIVALS[kind]
            _efficiency(axes, found, color=colour, marker=marker, linestyle="-", markersize=5)
        ours = plans[plans["precision"] == precision]
        for axis, colour in COLOURS.items():
            found = ours[ours["axis"].isin([axis, "full"])]
            _efficiency(axes, found, color=colour, marker=MARKERS[axis], linestyle="-")
        _efficiency(axes, ours[ours["axis"] == "mixed"], color="black", marker="P", markersize=9)
        own = ours[ours["axis"] == "controller"]
        _efficiency(axes, own, color="black", marker="*", markersize=13)
        axes.plot([0, 1], [0, 100], color="0.4", linewidth=1.2, linestyle="--")
        axes.axhline(100, color="0.2", linewidth=1.5, linestyle=":")
        axes.set(xlabel="ideal MAC ratio", title=precision, xlim=(0, 1.04))
    grid[0, 0].set(ylabel="efficiency (%): speedup × MAC ratio", ylim=(0, None))
    figure.legend(handles=_equal_entries(plans, rivals), loc="outside right center", frameon=False)
    return _signed(figure, plans)


def cores_and_batches(scaling: pd.DataFrame) -> Figure:
    """Milliseconds a clip of each plan by cores and batch, a panel a precision.

    Args:
        scaling: rows of `latency.scaling` with a time, of one network.
    """
    precisions, labels = (list(dict.fromkeys(scaling[c])) for c in ("precision", "label"))
    figure, grid = plt.subplots(
        1, len(precisions), sharey=True, squeeze=False, layout="constrained",
        figsize=(4.2 * len(precisions) + 2.2, 0.28 * len(labels) + 1.6),
    )  # fmt: skip
    cores = sorted(scaling["cores"].unique())
    batches = sorted(scaling["batch"].unique())
    colours = dict(zip(cores, sns.color_palette("colorblind", len(cores)), strict=True))
    entries = []
    for n_cores in cores:
        for batch, marker, fill in zip(batches, "osD^vPX*", ("full", "none") * 4, strict=False):
            label = f"{n_cores:.0f} core{'s' if n_cores > 1 else ''}, batch {batch}"
            look: dict[str, Any] = {
                "color": colours[n_cores], "marker": marker, "fillstyle": fill, "linestyle": "none"
            }  # fmt: skip
            here = scaling[(scaling["cores"] == n_cores) & (scaling["batch"] == batch)]
            if here.empty:
                continue
            entries.append(Line2D([], [], label=label, **look))
            for axes, precision in zip(grid[0], precisions, strict=True):
                found = here[here["precision"] == precision]
                places = [labels.index(name) for name in found["label"]]
                axes.plot(found["ms_per_clip"], places, **look)
    for axes, precision in zip(grid[0], precisions, strict=True):
        axes.set(title=precision, xlabel="ms a clip", xscale="log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        _plain_numbers(axes.xaxis)
        if DENSE in labels:
            axes.axhline(labels.index(DENSE) + 0.5, color="0.6", linewidth=1)
    grid[0, 0].set_yticks(range(len(labels)), labels)
    grid[0, 0].set_ylim(len(labels) - 0.5, -0.5)
    figure.legend(handles=entries, loc="outside right center", frameon=False)
    return _signed(figure, scaling)


def _speedups(axes: Any, curve: pd.DataFrame, colour: Any, marker: str) -> None:
    rates, speedup = curve["keep_rate"], curve["speedup"]
    axes.plot(rates, curve["by_macs"], color="0.1", linestyle="--", linewidth=1.2)
    axes.plot(rates, curve["by_bytes"], color="0.1", linestyle=":", linewidth=1.6)
    for kind in STATIC:
        grey, mark = RIVALS[kind]
        axes.plot(rates, curve[kind], color=grey, marker=mark, markersize=5, linewidth=1)
    spread = np.abs(curve[["speedup_q25", "speedup_q75"]].to_numpy().T - speedup.to_numpy())
    axes.errorbar(rates, speedup, spread, color=colour, marker=marker, capsize=2, linewidth=2)


def _efficiency(axes: Any, rows: pd.DataFrame, **look: Any) -> None:
    rows = rows.sort_values("ideal_mac_ratio")
    axes.plot(rows["ideal_mac_ratio"], 100 * rows["efficiency"], **{"linestyle": "none", **look})


def _equal_entries(plans: pd.DataFrame, rivals: pd.DataFrame) -> list[Line2D]:
    entries = [
        Line2D(
            [],
            [],
            color=colour,
            marker=MARKERS[axis],
            label=f"{AXIS_WORDS.get(axis, axis)}, random",
        )
        for axis, colour in COLOURS.items()
        if (plans["axis"] == axis).any()
    ]
    if (plans["axis"] == "mixed").any():
        entries.append(_mark("P", 9, "mixed rates, random"))
    entries += [
        _mark("*", 13, f"by the {label}")
        for label in dict.fromkeys(plans.loc[plans["axis"] == "controller", "label"])
    ]
    entries += [_rival(kind) for kind in STATIC if (rivals["group"] == kind).any()]
    return [
        *entries,
        Line2D([], [], color="0.2", linewidth=1.5, linestyle=":", label="what the MACs promise"),
        Line2D([], [], color="0.4", linewidth=1.2, linestyle="--", label="as quick as dense"),
    ]


def _mark(marker: str, size: float, label: str) -> Line2D:
    look: dict[str, Any] = {"marker": marker, "markersize": size, "linestyle": "none"}
    return Line2D([], [], color="black", label=label, **look)


def _rival(kind: str, more: str = "") -> Line2D:
    colour, marker = RIVALS[kind]
    words = RIVAL_WORDS[kind] + more
    return Line2D([], [], color=colour, marker=marker, markersize=5, label=words)


def _log2(axes: Any) -> None:
    axes.set_yscale("log", base=2)
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(base=2, subs=(1, 1.5) if high < 12 * low else (1,)))
    _plain_numbers(axes.yaxis)


def _plain_numbers(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _signed(figure: Figure, rows: pd.DataFrame) -> Figure:
    """Put below everything, small: of what network, how, where and when it was measured."""
    rounds, cores, batches = (
        " and ".join(f"{n:.0f}" for n in sorted(rows[c].dropna().unique()))
        for c in ("rounds", "cores", "batch")
    )
    network, clips = rows["model"].iloc[0], ", ".join(rows["clip"].dropna().unique())
    words = (
        f"{network}, clips {rows['clip_shape'].iloc[0]} ({clips}); medians of "
        f"{rounds or 'unknown'} rounds; cores: {cores}; batch: {batches}\n{measured_on(rows)}"
    )
    figure.text(0.5, -0.01, words, ha="center", va="top", fontsize="small", color="0.4")
    return figure
