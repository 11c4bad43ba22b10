"""The figures of modelled devices, in the look of `figures`: tidy table in, figure out."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dance_lib.analysis.figures import sample
from dance_lib.devices.published import DEVICES

BOUNDS = dict(zip(("compute", "memory"), sns.color_palette("colorblind", 2), strict=True))
KINDS = {"measured": "oC0", "estimated": "sC1", "modelled": "^C2"}  # a marker and colour a kind
PALE = {bound: sns.light_palette(colour, 8)[2] for bound, colour in BOUNDS.items()}


def drawn(
    speeds: pd.DataFrame, units: pd.DataFrame, paper: Mapping[str, float]
) -> dict[str, Figure]:
    """`expected` of all arms and `bounds` of the first; none where there is nothing to draw."""
    if speeds.empty:
        return {}
    return {"expected": expected(speeds, paper), "bounds": bounds(units)}


def expected(speeds: pd.DataFrame, paper: Mapping[str, float]) -> Figure:
    """Modelled speedup on each device and modelled energy, a row an arm, a point a seed."""
    arms = list(dict.fromkeys(speeds["title"]))
    figure, panels = plt.subplots(
        1, len(DEVICES) + 1, figsize=(11, 0.4 * len(arms) + 2.2), sharex=True, sharey=True,
        layout="constrained",
    )  # fmt: skip
    place = speeds["title"].map({name: i for i, name in enumerate(arms)})
    for axes, device in zip(panels, DEVICES, strict=False):
        rows = speeds["device"] == device.name
        axes.plot(speeds.loc[rows, "speedup"], place[rows], "o", alpha=0.8)
        _factors(axes, device.title, paper.get(device.name))
        axes.set_xlabel("speedup over dense (and\nenergy, at constant power)")
    first = speeds["device"] == DEVICES[0].name  # the energy of operations is the same for all
    panels[-1].hlines(
        place[first], speeds.loc[first, "energy_low"], speeds.loc[first, "energy_high"],
        linewidth=6, alpha=0.8,
    )  # fmt: skip
    _factors(panels[-1], "Energy of operations, 45 nm", paper.get("energy"))
    panels[-1].set_xlabel("energy, dense over pruned")
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    figure.suptitle(
        f"Modelled, not measured: {_behind(speeds, speeds['seed'].nunique())}", fontsize="medium"
    )
    return figure


def bounds(units: pd.DataFrame) -> Figure:
    """Modelled time of each unit of the first arm, dense behind pruned; coloured by what binds."""
    rows = units[units["arm"] == units["arm"].iloc[0]]
    figure, panels = plt.subplots(
        len(DEVICES), 1, figsize=(8.5, 5.6), sharex=True, layout="constrained"
    )
    for axes, device in zip(panels, DEVICES, strict=True):
        of_device = rows[rows["device"] == device.name]
        places = range(len(of_device))
        behind = _behind(of_device, of_device["seeds"].max())
        for plan, width, palette in (("dense", 0.8, PALE), ("ideal", 0.45, BOUNDS)):
            colours = [palette[bound] for bound in of_device[f"{plan}_bound"]]
            axes.bar(places, 1000 * of_device[f"{plan}_ms"], width, color=colours, linewidth=0)
        axes.set(ylabel="modelled time (µs)", title=f"{device.title}: {behind}")
        axes.grid(visible=False, axis="x")
        axes.set_axisbelow(True)
    panels[-1].set_xticks(places, of_device["unit"], rotation=40, ha="right")
    panels[-1].set_xlabel("unit, in order of execution")
    found = set(rows[["dense_bound", "ideal_bound"]].to_numpy().ravel())
    entries = [
        *(Patch(color=BOUNDS[bound], label=f"{bound}-bound") for bound in BOUNDS if bound in found),
        Patch(color="0.75", label="dense (pale)"),
        Patch(color="0.3", label=f"{rows['title'].iloc[0]} (full)"),
    ]
    figure.legend(handles=entries, loc="outside upper center", ncols=4, frameon=False)
    return figure


def energies(table: pd.DataFrame) -> dict[str, Figure]:
    """Speedup and energy over dense of everything pruned, coloured by what kind of figure it is.

    Args:
        table: as `energy.summary`. Nothing is drawn where it has no ratio.
    """
    rows = table[table["energy_ratio"].notna()].copy()
    if rows.empty:
        return {}
    about = ["source", "device", "network", "part", "sample"]
    rows["row"] = rows[about].agg(", ".join, axis=1)
    names = list(dict.fromkeys(rows["row"]))
    figure, panels = plt.subplots(
        1, 2, figsize=(11, 0.34 * len(names) + 1.9), sharey=True, layout="constrained"
    )
    for axes, value, label in zip(
        panels,
        ("speedup", "energy_ratio"),
        ("time of a clip,\ndense / pruned", "joules of a clip (gross),\ndense / pruned"),
        strict=True,
    ):
        for kind, of_kind in rows.groupby("kind", sort=False):
            place = of_kind["row"].map({name: i for i, name in enumerate(names)})
            axes.plot(of_kind[value], place, KINDS[str(kind)], label=str(kind), markersize=8)
        axes.axvline(1, color="0.5", linewidth=1)
        axes.set_xlabel(label)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3,
                  frameon=False)  # fmt: skip
    return {"energies": figure}


def _factors(axes: Axes, title: str, paper: float | None) -> None:
    axes.axvline(1, color="0.5", linewidth=1)
    if paper is not None:
        axes.axvline(paper, color="0.2", linestyle="--", linewidth=1.2)
        title += f"\n(dashed: the paper's {paper:g}×)"
    axes.set_title(title, fontsize="medium")


def _behind(rows: pd.DataFrame, seeds: int) -> str:
    return f"mean costs of {sample(int(rows['clips'].max()), seeds)}"
