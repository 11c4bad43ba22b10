"""What AVA did to variability, and to the networks that were pruned after it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dance_lib.analysis.accuracy import percentiles
from dance_lib.analysis.comparisons import compare, holm
from dance_lib.analysis.families import that_ran
from dance_lib.analysis.figures import seeds_in_words
from dance_lib.analysis.intervals import Interval, in_points, student_interval

STATISTICS = ("variance", "cv", "interaction")
NAN = float("nan")


def name_stages(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of 02_ava with `arm`: before, or after a variant; what came before is kept once."""
    after = "after " + rows["ava"].replace({"none": "as long without AVA"})
    named = rows.assign(arm=after.where(rows["stage"] == "after", "before"))
    first = rows["ava"].iloc[0] if len(rows) else ""
    return named[(named["stage"] == "after") | (named["ava"] == first)]


def variability_table(units: pd.DataFrame, norms: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: medians over units, the size of norm scales and shifts, and what AVA raised.

    `times_*` of a variant is how many times the statistic of retraining as long without AVA it has:
    within a unit and seed, then the mean over units, with Student's interval over seeds.
    """
    measures = units.groupby("arm", sort=False)[["mean", *STATISTICS, "active"]]
    sizes = norms.groupby("arm", sort=False)[["scale", "shift"]].mean().add_prefix("norm_")
    seeds = units.groupby("arm", sort=False)["seed"].nunique().rename("seeds")
    table = measures.median().join([sizes, seeds]).reset_index()
    after = units[units["stage"] == "after"]
    if "none" in set(after["ava"]):
        for arm, of_arm in after[after["ava"] != "none"].groupby("arm", sort=False):
            for statistic in STATISTICS:
                ratios = raised(after, statistic)[of_arm["ava"].iloc[0]].dropna()
                times = student_interval(ratios.groupby("seed").mean())
                named = [f"times_{statistic}{end}" for end in ("", "_low", "_high")]
                table.loc[table["arm"] == arm, named] = times.mean, times.low, times.high
    return table.assign(kind="measured")


def raised(rows: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """By (seed, unit), how many times the statistic without AVA each variant of it has.

    Args:
        rows: `variability` of 02_ava after retraining, with those of `none`.
    """
    after = rows.pivot_table(statistic, ["seed", "unit"], "ava")
    return after.div(after["none"], axis=0)


def pruned_table(
    clips: pd.DataFrame, variants: Mapping[str, str], titles: Mapping[str, str]
) -> pd.DataFrame:
    """A row an arm that differs in AVA alone: what it reaches, against the one without.

    `p` is adjusted by Holm's method over the variants, and empty where one seed stands behind it.

    Args:
        clips: of 03_aap. variants: by arm its AVA variant; those that share a budget and all else.
    """
    own = clips[clips["plans"] == "controller"]
    base = next(arm for arm, ava in variants.items() if ava == "none")
    rows = []
    for arm, ava in that_ran(variants, own).items():
        ours = own[own["arm"] == arm]
        found = compare(ours, own[own["arm"] == base])
        gain, p = found.difference, found.p_bootstrap
        if arm == base:
            gain, p = Interval(NAN, NAN, NAN, gain.clips, gain.seeds), NAN
        rows.append(
            {
                "arm": titles[arm],
                "ava": ava,
                "seeds": gain.seeds,
                "accuracy": ours["correct"].mean(),
                "mac_ratio": ours["mac_ratio"].mean(),
                **percentiles(ours),
                "gain": gain.mean,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "p": p if gain.seeds > 1 else NAN,
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(p=holm(table["p"]), kind="measured")


def variability_answer(table: pd.DataFrame, pruned: pd.DataFrame) -> str:
    """What AVA did to variability beyond as long retraining without it, and to pruning."""
    if "times_cv" not in table:
        return "Only one variant was run, so nothing can be compared."
    parts = [
        f"{row['arm'].removeprefix('after ')} ({seeds_in_words(row['seeds'])}): "
        + ", ".join(_times(row, statistic) for statistic in STATISTICS)
        for row in table[table["times_cv"].notna()].to_dict("records")
    ]
    gains = [
        f"{row['ava']} {in_points(row['gain'], row['gain_low'], row['gain_high'])} "
        f"({seeds_in_words(row['seeds'])})"
        for row in pruned.to_dict("records")
        if row["ava"] != "none"
    ]
    return (
        "Against retraining as long without AVA, on held-out clips: " + "; ".join(parts) + ". "
        "A higher statistic alone proves nothing; accuracy after pruning, against AAP without "
        f"AVA: {'; '.join(gains) or 'not run'}. What one seed says may be the noise of training."
    )


def _times(row: Any, statistic: str) -> str:
    low, high = row[f"times_{statistic}_low"], row[f"times_{statistic}_high"]
    ends = "" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]"
    return f"{statistic} × **{row[f'times_{statistic}']:.2f}**{ends}"
