"""Are plans worth more to their own clip, and do they follow it? Tables and their answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dance_lib.analysis.accuracy import percentiles
from dance_lib.analysis.comparisons import compare
from dance_lib.analysis.intervals import clip_interval, in_points, student_interval

CONTROLS = ("shuffled", "inverted", "majority", "random")
RANKS = {"easy": 0, "medium": 1, "hard": 2}


def plans_table(clips: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm and kind of plan: accuracy with its interval, mean R."""
    rows = []
    for (arm, plans), of_plan in clips.groupby(["arm", "plans"], sort=False):
        accuracy = clip_interval(of_plan)
        rows.append(
            {
                "arm": titles[str(arm)],
                "plans": plans,
                "clips": accuracy.clips,
                "seeds": accuracy.seeds,
                "accuracy": accuracy.mean,
                "low": accuracy.low,
                "high": accuracy.high,
                "mac_ratio": of_plan["mac_ratio"].mean(),
            }
        )
    return pd.DataFrame(rows).assign(kind="measured")


def adaptivity_table(
    clips: pd.DataFrame,
    branches: pd.DataFrame,
    units: pd.DataFrame,
    shares: pd.DataFrame,
    places: pd.DataFrame,
    titles: Mapping[str, str],
) -> pd.DataFrame:
    """A row an arm: spread of R, what foreign plans lose, and whether plans find the action.

    `largest_branch` is the largest share of R's variance that one branch carries (covariance of
    its part of R with R, over the variance of R: 1 is one block switched on and off); `difficulty`
    is Spearman's correlation of R with the stratum (easy, medium, hard), where the set has one,
    mean over seeds;
    `decision` the mean of 4p(1 − p) over gates; `saved_*` an axis's share of the savings;
    `oracle_*` what the best of several plans a clip gains, on the clips where it was looked for.
    """
    rows = []
    for arm, of_arm in clips.groupby("arm", sort=False):
        own = of_arm[of_arm["plans"] == "controller"]
        row: dict[str, Any] = {
            "key": arm,
            "arm": titles[str(arm)],
            "clips": own["path"].nunique(),
            "seeds": own["seed"].nunique(),
            "R": own["mac_ratio"].mean(),
            **percentiles(own),
            "largest_branch": largest_branch(branches[branches["arm"] == arm]),
            "difficulty": float(np.mean([difficulty(rows) for _, rows in own.groupby("seed")])),
            "decision": units[units["arm"] == arm]["decision"].mean(),
        }
        for plans in CONTROLS:
            lost = compare(own, of_arm[of_arm["plans"] == plans])
            row |= {
                f"{plans}_R": of_arm.loc[of_arm["plans"] == plans, "mac_ratio"].mean(),
                f"{plans}_loss": lost.difference.mean,
                f"{plans}_low": lost.difference.low,
                f"{plans}_high": lost.difference.high,
                f"{plans}_p": lost.p_bootstrap,
            }
        row |= {
            f"saved_{axis}": share
            for axis, share in axis_parts(shares[shares["arm"] == arm]).items()
        }
        row |= _headroom(own, of_arm[of_arm["plans"] == "oracle"])
        if len(places):
            found = places[places["arm"] == arm]
            means = found.groupby("axis")[["recall", "kept", "precision", "share"]].mean()
            row |= {f"{axis}_{c}": v for c in means for axis, v in means[c].items()}
        rows.append(row)
    return pd.DataFrame(rows).assign(kind="measured")


def _headroom(own: pd.DataFrame, best: pd.DataFrame) -> dict[str, float]:
    """The best of several plans a clip against the arm's own, on the clips it was looked for."""
    same = own[own["path"].isin(set(best["path"])) & own["seed"].isin(set(best["seed"]))]
    gained = compare(best, same).difference
    return {
        "oracle_clips": gained.clips,
        "oracle_gain": gained.mean,
        "oracle_low": gained.low,
        "oracle_high": gained.high,
        "oracle_R": best["mac_ratio"].mean(),
        "oracle_own_R": same["mac_ratio"].mean(),
    }


def axis_parts(shares: pd.DataFrame) -> pd.Series:
    """Each axis's part of all that an arm saves, by the Shapley values of its clips."""
    saved = shares.groupby("axis", sort=False)["saved"].sum()
    return saved / saved.sum()


def largest_branch(branches: pd.DataFrame) -> float:
    """Largest share of R's variance over clips that one branch carries; mean over seeds."""
    parts = branches.assign(part=branches["mac_ratio"] * branches["dense_share"])
    found = []
    for _, of_seed in parts.groupby("seed") if "seed" in parts else [(0, parts)]:
        wide = of_seed.pivot_table("part", "path", "branch")
        if wide.sum(axis=1).nunique() > 1:  # else R is the same for every clip
            covariance = wide.cov().sum()
            found.append(float((covariance / covariance.sum()).max()))
    return sum(found) / len(found) if found else float("nan")


def difficulty(own: pd.DataFrame) -> float:
    """Spearman's correlation of R with the stratum, over the clips of one seed; or NaN."""
    if "difficulty" not in own or (own[["mac_ratio", "difficulty"]].nunique() < 2).any():
        return float("nan")  # what does not look has one R
    rank = own["difficulty"].map(RANKS)
    return float(stats.spearmanr(rank, own["mac_ratio"]).statistic)


def strata_table(clips: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm, stratum and its value: mean R and accuracy of the controller's own plans."""
    own = clips[clips["plans"] == "controller"]
    known = [name for name in ("difficulty", "camera", "clutter") if name in own]
    rows = [
        of_value.groupby("arm", sort=False)[["mac_ratio", "correct"]]
        .mean()
        .reset_index()
        .assign(
            stratum=name,
            value=value,
            clips=of_value["path"].nunique(),
            seeds=of_value["seed"].nunique(),
        )
        for name in known
        for value, of_value in own.groupby(name)
    ]
    if not rows:
        return pd.DataFrame(columns=["arm", "mac_ratio", "accuracy", "stratum", "value", "kind"])
    table = pd.concat(rows, ignore_index=True).rename(columns={"correct": "accuracy"})
    return table.assign(arm=table["arm"].map(dict(titles)), kind="measured")


def looking_answer(clips: pd.DataFrame, reads: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """Whether a controller that looks at the clip does better than one that can't.

    Args:
        clips: of 03_aap. reads: by arm, what its controller reads; the first is the base.
    """
    own = clips[clips["plans"] == "controller"]
    base, *others = reads
    told = []
    for blind in (arm for arm in others if reads[arm] == "average"):
        found = compare(own[own["arm"] == base], own[own["arm"] == blind])
        gain = found.difference
        shown = "is shown" if gain.low > 0 else "is not shown"
        if gain.low > 0 >= student_interval(found.by_seed).low:
            shown += ", if not by the seeds alone,"
        by_seed = ", ".join(f"{100 * each:+.1f}" for each in found.by_seed)
        told.append(
            f"It **{shown}** that looking is worth something: against the {titles[blind]}, "
            f"which learns one plan for all, {titles[base]} is "
            f"{in_points(gain.mean, gain.low, gain.high)} (by seed {by_seed})."
        )
    return " ".join(told) or "No controller that does not look was run."


def adaptivity_answer(table: pd.DataFrame) -> str:
    """What the plans of others would cost each arm, and where its own lie, a paragraph an arm."""
    parts = []
    for row in table.to_dict("records"):
        worth = "are" if row["shuffled_low"] > 0 else "are not shown to be"
        text = (
            f"{row['arm']}: plans **{worth}** worth more to their own clip than to another, whose "
            f"plan costs {100 * row['shuffled_loss']:.1f} points [{100 * row['shuffled_low']:.1f}, "
            f"{100 * row['shuffled_high']:.1f}]; the inverted plan {_loss(row, 'inverted')}, one "
            f"plan for all {_loss(row, 'majority')}, a random one {_loss(row, 'random')}; R runs "
            f"from {row['R_5']:.2f} to {row['R_95']:.2f} (5th to 95th percentile)"
        )
        if "features_recall" in row and row["features_recall"] == row["features_recall"]:
            text += (
                f"; {100 * row['features_recall']:.0f} % of the action's tiles are kept where "
                f"{100 * row['features_kept']:.0f} % of all are"
            )
        if row["oracle_clips"]:
            text += (
                f"; the best of several plans a clip gains {100 * row['oracle_gain']:.1f} points "
                f"[{100 * row['oracle_low']:.1f}, {100 * row['oracle_high']:.1f}] at R "
                f"{row['oracle_R']:.2f} for {row['oracle_own_R']:.2f} "
                f"({row['oracle_clips']:,} clips)"
            )
        parts.append(text + ".")
    return "\n\n".join(parts)


def _loss(row: Any, plans: str) -> str:
    """Points, and the MACs they are lost at, which are not those of the arm's own plans."""
    points = 100 * row[f"{plans}_loss"]
    worth = f"costs {points:.1f}" if points >= 0 else f"**gains {-points:.1f}**"
    return f"{worth} (at R {row[f'{plans}_R']:.2f})"
