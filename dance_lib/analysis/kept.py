"""What is pruned where, and what each axis is worth: tables and their answers."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dance_lib.aap.plan import AXES
from dance_lib.analysis.accuracy import MISS, percentiles
from dance_lib.analysis.adaptivity import axis_parts
from dance_lib.analysis.figures import seeds_in_words
from dance_lib.analysis.intervals import clip_interval, in_points, paired_difference


def keep_table(units: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm, branch and axis: mean keep rate, spread over clips, how undecided gates are."""
    columns = ["keep_rate", "keep_sd", "decision"]
    named = units.assign(arm=units["arm"].map(dict(titles)))
    table = named.groupby(["arm", "branch", "axis"], sort=False)[columns].mean()
    return table.reset_index().assign(kind="counted")


def keep_answer(table: pd.DataFrame) -> str:
    """Which axis of which branch is pruned most, and whether any is left untouched."""
    parts = []
    for arm, rows in table.groupby("arm", sort=False):
        least = rows.sort_values("keep_rate").iloc[0]
        by_axis = rows.groupby("axis", sort=False)["keep_rate"].mean()
        axes = ", ".join(f"{axis} {100 * rate:.0f} %" for axis, rate in by_axis.items())
        parts.append(
            f"{arm} keeps, averaged over branches, {axes}; most is dropped of the {least['axis']} "
            f"of {least['branch']} ({100 * least['keep_rate']:.0f} % kept)."
        )
    return " ".join(parts)


def axes_table(
    clips: pd.DataFrame,
    shares: pd.DataFrame,
    dense: pd.DataFrame,
    axes: Mapping[str, list[str]],
    titles: Mapping[str, str],
) -> pd.DataFrame:
    """A row an arm: the axes it prunes, what it reaches, and which axis makes the savings.

    Args:
        clips, shares: of 03_aap. dense: `clips` of 01_dense. axes: by arm, those it prunes.
    """
    reference = dense[dense["plans"] == "dense"]
    rows = []
    for arm, pruned in axes.items():
        of_arm = clips[clips["arm"] == arm]
        own = of_arm[of_arm["plans"] == "controller"]
        accuracy = clip_interval(own)
        change = paired_difference(own, reference)
        lost = paired_difference(own, of_arm[of_arm["plans"] == "shuffled"])
        parts = axis_parts(shares[shares["arm"] == arm])
        rows.append(
            {
                "arm": titles[arm],
                "axes": len(pruned),
                "seeds": accuracy.seeds,
                "clips": accuracy.clips,
                "accuracy": accuracy.mean,
                "against_dense": change.mean,
                "against_low": change.low,
                "against_high": change.high,
                "mac_ratio": own["mac_ratio"].mean(),
                "byte_ratio": own["byte_ratio"].mean(),
                **percentiles(own),
                "shuffled_loss": lost.mean,
                **{f"saved_{axis}": parts.get(axis, 0.0) for axis in AXES},
            }
        )
    table = pd.DataFrame(rows).sort_values(["axes", "against_dense"], ascending=[True, False])
    return table.assign(kind="measured").reset_index(drop=True)


def axes_answer(table: pd.DataFrame) -> str:
    """Which axes lose least against dense at equal MACs, and what all three save by."""
    three = table[table["axes"] == len(AXES)]
    equal = (table["mac_ratio"] - table.iloc[-1]["mac_ratio"]).abs() <= MISS
    best, *others = table[equal].sort_values("against_dense", ascending=False).to_dict("records")
    near = [row for row in others if row["against_high"] >= best["against_low"]]
    text = f"Best against dense of its own seeds is **{best['arm']}**: {_change(best)}."
    if near:
        told = ", ".join(f"{row['arm']} {_change(row)}" for row in near)
        text += f" The intervals do not tell it from {told}."
    for row in three.to_dict("records"):
        parts = ", ".join(f"{axis} {100 * row[f'saved_{axis}']:.0f} %" for axis in AXES)
        text += f" Where all three are pruned ({row['arm']}), they make these shares of the "
        text += f"savings: {parts}."
    return text


def _change(row: Any) -> str:
    change = in_points(row["against_dense"], row["against_low"], row["against_high"])
    return f"{change} ({seeds_in_words(row['seeds'])})"
