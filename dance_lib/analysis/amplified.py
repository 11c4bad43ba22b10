"""What AVA did to variability, and to the networks that were pruned after it."""

from collections.abc import Mapping

import pandas as pd

from dance_lib.analysis.accuracy import percentiles
from dance_lib.analysis.comparisons import compare
from dance_lib.analysis.families import that_ran

WITHOUT = "after as long without AVA"


def name_stages(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of 02_ava with `arm`: before, or after a variant; what came before is kept once."""
    after = "after " + rows["ava"].replace({"none": "as long without AVA"})
    named = rows.assign(arm=after.where(rows["stage"] == "after", "before"))
    first = rows["ava"].iloc[0] if len(rows) else ""
    return named[(named["stage"] == "after") | (named["ava"] == first)]


def variability_table(units: pd.DataFrame, norms: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: medians over units, and the size of norm scales and shifts."""
    measures = units.groupby("arm", sort=False)[["mean", "variance", "cv", "interaction", "active"]]
    sizes = norms.groupby("arm", sort=False)[["scale", "shift"]].mean().add_prefix("norm_")
    return measures.median().join(sizes).reset_index().assign(kind="measured")


def pruned_table(
    clips: pd.DataFrame, variants: Mapping[str, str], titles: Mapping[str, str]
) -> pd.DataFrame:
    """A row an arm that differs in AVA alone: what it reaches, against the one without.

    Args:
        clips: of 03_aap. variants: by arm its AVA variant; those that share a budget and all else.
    """
    own = clips[clips["plans"] == "controller"]
    base = next(arm for arm, ava in variants.items() if ava == "none")
    rows = []
    for arm, ava in that_ran(variants, own).items():
        ours = own[own["arm"] == arm]
        against = compare(ours, own[own["arm"] == base])
        rows.append(
            {
                "arm": titles[arm],
                "ava": ava,
                "seeds": against.difference.seeds,
                "accuracy": ours["correct"].mean(),
                "mac_ratio": ours["mac_ratio"].mean(),
                **percentiles(ours),
                "gain": against.difference.mean,
                "gain_low": against.difference.low,
                "gain_high": against.difference.high,
                "p": against.p_bootstrap,
            }
        )
    return pd.DataFrame(rows).assign(kind="measured")


def variability_answer(table: pd.DataFrame, pruned: pd.DataFrame) -> str:
    """What AVA did to variability beyond as long retraining without it, and to pruning."""
    by_arm = table.set_index("arm").drop(columns="kind")
    variants = [a for a in by_arm.index if a.startswith("after") and a != WITHOUT]
    if WITHOUT not in by_arm.index or not variants:
        return "Only one variant was run, so nothing can be compared."
    parts = []
    for arm in variants:
        ratios = by_arm.loc[arm] / by_arm.loc[WITHOUT]
        parts.append(
            f"{arm.removeprefix('after ')}: median cv × **{ratios['cv']:.2f}**, interaction × "
            f"**{ratios['interaction']:.2f}**, norm scales × {ratios['norm_scale']:.2f}"
        )
    gains = [
        f"{row['ava']} {100 * row['gain']:+.1f} points [{100 * row['gain_low']:+.1f}, "
        f"{100 * row['gain_high']:+.1f}]"
        for row in pruned.to_dict("records")
        if row["ava"] != "none"
    ]
    return (
        "Against retraining as long without AVA, on held-out clips: " + "; ".join(parts) + ". "
        "A higher statistic alone proves nothing; accuracy after pruning, against AAP without "
        f"AVA: {'; '.join(gains) or 'not run'}."
    )
