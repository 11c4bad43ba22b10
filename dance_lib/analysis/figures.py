"""The look of all figures, and the figures themselves: tidy table in, matplotlib figure out."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

# seaborn's colour-blind-safe ten; its pink, grey and yellow are lost on white, so these are dark.
COLOURS = sns.color_palette("colorblind", 10)
COLOURS[6:9] = sns.color_palette(["#882255", "#000000", "#8a7a00"])
AXIS_COLOURS = dict(zip(("frames", "channels", "features"), COLOURS, strict=False))


def set_style() -> None:
    """Apply the look: colour-blind-safe, readable at half a page's width, no frames."""
    sns.set_theme(context="notebook", style="whitegrid", palette=COLOURS)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "axes.spines.right": False,
            "axes.spines.top": False,
        }
    )


def sample(clips: int, seeds: int, what: str = "test clips") -> str:
    """How much stands behind a figure: `4,050 test clips, up to 4 seeds`."""
    return f"{clips:,} {what}, {'' if seeds == 1 else 'up to '}{seeds_in_words(seeds)}"


def seeds_in_words(seeds: int) -> str:
    """`one seed`, `4 seeds`."""
    return "one seed" if seeds == 1 else f"{seeds} seeds"


def variability_by_unit(table: pd.DataFrame, measure: str, label: str, clips: int) -> Figure:
    """One measure of |activation| for each unit, before AVA and after each variant.

    Args:
        table: columns unit, arm, seed and the measure.
    """
    figure, axes = plt.subplots(figsize=(8, 4))
    sns.lineplot(
        table, x="unit", y=measure, hue="arm", style="arm", markers=True, dashes=False, ax=axes
    )
    axes.set(title=_held_out(clips, table), xlabel="unit, in order of execution", ylabel=label)
    _tilt(figure)
    sns.move_legend(axes, "center left", bbox_to_anchor=(1.01, 0.5), title=None, frameon=False)
    return figure


def magnitude_distributions(table: pd.DataFrame, units: Sequence[str], clips: int) -> Figure:
    """Distribution of log10 |activation| of some units, a line an arm.

    Args:
        table: columns unit, arm, seed, log10_low, log10_high, share.
    """
    shown = table[table["unit"].isin(units)].copy()
    shown["log10 |activation|"] = (shown["log10_low"] + shown["log10_high"]) / 2
    grid = sns.relplot(
        shown, x="log10 |activation|", y="share", hue="arm", style="arm", kind="line",
        col="unit", col_order=units, height=3.0, aspect=1.1, facet_kws={"sharey": False},
    )  # fmt: skip
    grid.set_titles("{col_name}")
    grid.set_ylabels("share of activations")
    grid.legend.set_title(None)
    grid.figure.suptitle(_held_out(clips, shown), y=1.06, fontsize="medium")
    return grid.figure


def keep_rates(units: pd.DataFrame, clips: int, network: str) -> Figure:
    """Keep rate of each unit and axis, with the spread over clips; below, its share of the MACs.

    Args:
        units: as `tables.unit_rows`, of one network.
        network: its name.
    """
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(8.5, 6), sharex=True, height_ratios=(2, 1), layout="constrained"
    )
    names = list(dict.fromkeys(units["unit"]))
    places = np.arange(len(names))
    for i, (axis, colour) in enumerate(AXIS_COLOURS.items()):
        own = units[units["axis"] == axis].groupby("unit")[["keep_rate", "keep_sd"]].mean()
        kept, sd = (100 * own.loc[names]).to_numpy().T
        ends = np.minimum(sd, kept), np.minimum(sd, 100 - kept)  # nothing is kept beyond all of it
        at = places + 0.27 * (i - 1)
        top.bar(at, kept, 0.25, color=colour, label=axis)
        top.errorbar(at, kept, ends, fmt="none", ecolor="0.25", elinewidth=1)
    behind = f"{network}: {sample(clips, units['seed'].nunique())}"
    top.set(ylabel="kept (%)\n± SD over clips", ylim=(0, 105))
    top.set_title(behind, pad=26)  # above the legend
    top.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    share = units.groupby("unit")[["dense_share", "mac_ratio"]].mean().loc[names]
    bottom.bar(places, 100 * share["dense_share"], 0.7, color="0.85", label="dense")
    bottom.bar(
        places, 100 * share["dense_share"] * share["mac_ratio"], 0.7, color="0.35", label="ideal"
    )
    bottom.set(ylabel="share of the\ndense MACs (%)", xlabel="unit, in order of execution")
    bottom.legend(ncols=2, frameon=False, loc="upper right", bbox_to_anchor=(1, 1.25))
    bottom.set_xticks(places, names, rotation=40, ha="right")
    return figure


def ratio_distribution(clips: pd.DataFrame, budget: float) -> Figure:
    """Distribution of R over clips, a curve an arm, with the budget as a line."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    sns.ecdfplot(clips, x="mac_ratio", hue="arm", ax=axes)
    axes.axvline(budget, color="0.4", linestyle="--", linewidth=1)
    axes.annotate(
        "budget",
        (budget, 0.92),
        xytext=(-4, 0),
        textcoords="offset points",
        color="0.3",
        ha="right",
    )
    axes.set(
        xlabel="R, ideal MACs of a clip as a share of the dense network",
        ylabel="share of clips",
        title=sample(clips["path"].nunique(), clips["seed"].nunique()),
        xlim=(0, 1),
    )
    sns.move_legend(axes, "center left", bbox_to_anchor=(1.01, 0.5), title=None, frameon=False)
    return figure


def plans_compared(summary: pd.DataFrame) -> Figure:
    """Accuracy under the controller's plans and under those of the controls, by arm.

    Args:
        summary: columns arm, plans, clips, seeds, accuracy, low, high (shares).
    """
    arms = list(dict.fromkeys(summary["arm"]))
    plans = list(dict.fromkeys(summary["plans"]))
    figure, axes = plt.subplots(figsize=(max(7.2, 1.7 * len(arms)), 3.8))  # room for their names
    for i, (name, colour) in enumerate(zip(plans, COLOURS, strict=False)):
        rows = summary[summary["plans"] == name].set_index("arm").reindex(arms)
        width = 0.8 / len(plans)
        places = np.arange(len(arms)) + (i - (len(plans) - 1) / 2) * width
        axes.bar(places, 100 * rows["accuracy"], width * 0.92, color=colour, label=name)
        axes.errorbar(
            places, 100 * rows["accuracy"],
            100 * np.abs(rows[["low", "high"]].to_numpy().T - rows["accuracy"].to_numpy()),
            fmt="none", ecolor="0.2", elinewidth=1,
        )  # fmt: skip
    behind = sample(summary["clips"].max(), summary["seeds"].max())
    axes.set(
        xlabel="arm", ylabel="accuracy (%), 95 % interval", title=behind, xticks=range(len(arms))
    )
    axes.set_xticklabels([textwrap.fill(arm, 16) for arm in arms])
    axes.legend(title="plans", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def localisation_bars(table: pd.DataFrame) -> Figure:
    """Share of the action that is kept, beside the share of everything that is kept, by arm.

    Args:
        table: columns arm (its title), path, seed, branch, axis, recall, kept.
    """
    long = table.melt(["arm", "branch", "axis"], ["recall", "kept"], "what", "of it")
    long["what"] = long["what"].map({"recall": "of the action", "kept": "of everything"})
    long["what"] = long["arm"] + ":\n" + long["what"]
    grid = sns.catplot(
        long, x="branch", y="of it", hue="what", col="axis", kind="bar", height=3.2, aspect=1.2,
        errorbar=("ci", 95), n_boot=500, seed=0,
    )  # fmt: skip
    grid.set_titles("{col_name}")
    grid.set_axis_labels("branch", "share that is kept, 95 % interval")
    grid.legend.set_title(None)
    behind = sample(table["path"].nunique(), table["seed"].nunique(), "test clips with an action")
    grid.figure.suptitle(behind, y=1.05, fontsize="medium")
    return grid.figure


def _held_out(clips: int, table: pd.DataFrame) -> str:
    seeds = table["seed"].nunique()
    bands = ", bands: 95 % over seeds" if seeds > 1 else ""
    return sample(clips, seeds, "held-out clips") + bands


def _tilt(figure: Figure) -> None:
    for axes in figure.axes:
        axes.tick_params(axis="x", rotation=40)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
