"""Figures of the evidence: arms against rivals, axes, strata. Tidy table in, figure out."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from dance_lib.aap.plan import AXES
from dance_lib.analysis.figures import AXIS_COLOURS, COLOURS, sample, seeds_in_words

MARKERS = "osD^vPX*<>hd"


def tradeoff(table: pd.DataFrame, families: dict[str, list[str]]) -> Figure:
    """Accuracy with its interval against the ideal MAC ratio, a line a family of several budgets.

    Those of one budget are grey points. Beside it, by name, all that meet the budget that most of
    them have, against the dense network of the same seeds: seeds differ more than some networks do;
    linear within a point of it, logarithmic beyond. What misses its own budget is named and not
    drawn.

    Args:
        table: as `accuracy_table`. families: by name, the keys of arms or rivals on one line;
            what is in none is left out.
    """
    figure, (axes, near) = plt.subplots(
        1, 2, figsize=(11, 5.6), width_ratios=(1.3, 1), layout="constrained"
    )
    dense = table.iloc[0]
    axes.axhspan(100 * dense["low"], 100 * dense["high"], color="0.9", zorder=0)
    axes.axhline(100 * dense["accuracy"], color="0.45", linestyle="--", linewidth=1, zorder=1)
    axes.annotate(
        "dense", (0.02, 100 * dense["accuracy"]), xytext=(0, 3), textcoords="offset points",
        color="0.3",
    )  # fmt: skip
    compared = table[table["group"].isin(["arm", "rival"])]
    shared = compared["budget"].mode().max()
    at_equal_macs, missed, coloured = [], [], 0
    for name, keys in families.items():
        rows = compared[compared["key"].isin(keys)].sort_values("mac_ratio")
        met = rows["on_budget"].astype(bool)
        missed += rows.loc[~met, "name"].tolist()
        rows = rows[met]
        if rows.empty:
            continue
        look = {"marker": "o", "color": "0.6", "markersize": 5, "capsize": 0}
        if len(rows) > 1:
            look = {"marker": MARKERS[coloured], "color": COLOURS[coloured], "markersize": 7,
                    "capsize": 2.5, "zorder": 30 - coloured}  # fmt: skip
            coloured += 1
        values = 100 * rows[["accuracy", "low", "high"]].to_numpy(float)
        axes.errorbar(
            rows["mac_ratio"], values[:, 0],
            [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]],
            linewidth=2.2 if coloured == 1 else 1, label=name if len(rows) > 1 else None, **look,
        )  # fmt: skip
        at_budget = rows[rows["budget"] == shared]
        against = 100 * at_budget[["against_dense", "against_low", "against_high"]].to_numpy(float)
        for value, own, seeds in zip(against, at_budget["name"], at_budget["seeds"], strict=True):
            at_equal_macs.append((f"{own}, {seeds_in_words(seeds)}", value, look))
    at_equal_macs.sort(key=lambda each: each[1][0])
    near.axvline(0, color="0.45", linestyle="--", linewidth=1, zorder=1)
    for place, (_, (value, low, high), look) in enumerate(at_equal_macs):
        near.errorbar(value, place, xerr=[[value - low], [high - value]], **look)
    near.set_yticks(range(len(at_equal_macs)), [name for name, _, _ in at_equal_macs])
    near.grid(visible=False, axis="y")
    near.set(xlabel="against dense (points), 95 % interval", title=f"at {shared:g} of the MACs")
    near.set_xscale("symlog", linthresh=1)
    near.xaxis.set_minor_locator(NullLocator())
    low, high = near.get_xlim()
    ticks = [tick for tick in (-50, -20, -5, -2, -1, 0, 1, 2, 5) if low <= tick <= high]
    near.set_xticks(ticks, [str(tick) for tick in ticks])
    if missed:
        told = "off their budget, not drawn:\n" + "\n".join(missed)
        axes.text(0.02, 0.02, told, transform=axes.transAxes, fontsize="small")
    axes.set(
        xlabel="ideal MACs, share of the dense network",
        ylabel="accuracy (%), 95 % interval",
        title=sample(dense["clips"], dense["seeds"]),
        xlim=(0, 1),
    )
    if coloured:
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def axis_savings(table: pd.DataFrame) -> Figure:
    """What each arm saves, stacked by the axis that saves it; accuracy beside its name.

    Args:
        table: as `axes_table`.
    """
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(table) + 1.4), layout="constrained")
    left = np.zeros(len(table))
    for axis in AXES:
        part = 100 * table[f"saved_{axis}"].to_numpy(float) * (1 - table["mac_ratio"].to_numpy())
        axes.barh(range(len(table)), part, 0.65, left=left, color=AXIS_COLOURS[axis], label=axis)
        left += part
    names = [f"{row['arm']}: {100 * row['accuracy']:.1f} %" for row in table.to_dict("records")]
    axes.set_yticks(range(len(table)), names)
    axes.invert_yaxis()
    behind = sample(table["clips"].max(), table["seeds"].max())
    axes.set(xlabel="MACs saved (% of the dense network)", title=f"accuracy and savings, {behind}")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def ratios_by_stratum(strata: pd.DataFrame) -> Figure:
    """Mean R by stratum, a line an arm.

    Args:
        strata: as `strata_table`.
    """
    order = ["easy", "medium", "hard", "low", "high", "none", "pan", "shake"]
    names = list(dict.fromkeys(strata["stratum"]))
    figure, panels = plt.subplots(
        1, len(names), figsize=(3.1 * len(names), 3.4), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axes, name in zip(panels[0], names, strict=True):
        rows = strata[strata["stratum"] == name].copy()
        known = ["low", "medium", "high"] if name == "clutter" else order
        values = [v for v in known if v in set(rows["value"])]
        rows["value"] = pd.Categorical(rows["value"], values, ordered=True)
        sns.lineplot(
            rows, x="value", y="mac_ratio", hue="arm", style="arm", markers=True, dashes=False,
            ax=axes, legend=axes is panels[0][-1],
        )  # fmt: skip
        axes.margins(x=0.15)  # or the outer words of two panels meet
        axes.set(xlabel=name, ylabel="mean R, share of\nthe dense MACs")
    of_one = strata[strata["stratum"] == names[0]].drop_duplicates("value")
    figure.suptitle(sample(of_one["clips"].sum(), strata["seeds"].max()), fontsize="medium")
    if panels[0][-1].get_legend() is not None:
        sns.move_legend(
            panels[0][-1], "center left", bbox_to_anchor=(1.02, 0.5), title=None, frameon=False
        )
    return figure


def accuracy_by_source(table: pd.DataFrame) -> Figure:
    """Accuracy against the base with its interval, a row an arm that differs in what it reads.

    Over the seeds that both have: seeds differ more than arms do.

    Args:
        table: as `sources_table`; its first row is the base.
    """
    figure, axes = plt.subplots(figsize=(7.2, 0.5 * len(table) + 1.2), layout="constrained")
    values = 100 * table[["against", "against_low", "against_high"]].to_numpy(float)
    axes.axvline(0, color="0.45", linestyle="--", linewidth=1, zorder=1)
    axes.errorbar(
        values[:, 0], range(len(table)),
        xerr=[values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]],
        fmt="o", capsize=3, markersize=7,
    )  # fmt: skip
    axes.set_yticks(
        range(len(table)),
        [
            f"{row['arm']} (R {row['mac_ratio']:.2f}), {seeds_in_words(row['seeds'])}"
            for row in table.to_dict("records")
        ],
    )
    axes.invert_yaxis()
    against = f"accuracy against {table['arm'].iloc[0]} (points), 95 % interval"
    axes.set(xlabel=against, title=f"{table['clips'].max():,} test clips")
    return figure
