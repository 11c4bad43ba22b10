"""Summary tables of the drawing notebooks, and the one-paragraph answers computed from them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from scipy import stats

from dance_lib import study
from dance_lib.analysis.intervals import clip_interval, paired_difference
from dance_lib.data import ClipSet
from dance_lib.train import Recipe

MISS = 0.02  # a mean R further than this from its budget stays out of equal-MACs comparisons


def arm_name(ava: str) -> str:
    """`AAP` or `AVA cv + AAP`."""
    return "AAP" if ava == "none" else f"AVA {ava} + AAP"


def name_arms(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `arm` in words."""
    return rows.assign(arm=rows["ava"].map(arm_name))


def name_stages(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of 02_ava with `arm`: before, or after a variant; what came before is kept once."""
    after = "after " + rows["ava"].replace({"none": "as long without AVA"})
    named = rows.assign(arm=after.where(rows["stage"] == "after", "before"))
    first = rows["ava"].iloc[0] if len(rows) else ""
    return named[(named["stage"] == "after") | (named["ava"] == first)]


# ------------------------------------------------------------------ the computing notebooks
def sets_table(train: ClipSet, test: ClipSet) -> pd.DataFrame:
    """How many clips and classes there are, and how many videos did not decode."""
    return pd.DataFrame(
        {
            "clips": [len(train), len(test)],
            "classes": [len(s.table["label"].unique()) for s in (train, test)],
            "videos skipped": [len(train.skipped), len(test.skipped)],
        },
        index=["train", "test"],
    )


def dense_answer(clips: pd.DataFrame, base: pd.DataFrame, recipe: Recipe, classes: int) -> str:
    """What the dense network reaches, beside its baselines."""
    start, dense = (clip_interval(clips[clips["arm"] == arm]) for arm in ("start", "dense"))
    rates = base.set_index("baseline")["accuracy"].to_dict()
    reached = ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in rates.items())
    return (
        f"After {recipe.dense_epochs} epochs the network is right on {100 * start.mean:.1f} % of "
        f"{start.clips:,} test clips; the reference, retrained for {recipe.retrain_epochs} more, "
        f"on **{dense.percent()}** (95 % interval). Baselines: {reached or 'none run'}; chance "
        f"{100 / classes:.1f} %."
    )


def ava_answer(ava: str, before: pd.DataFrame, after: pd.DataFrame, clips: pd.DataFrame) -> str:
    """How the variability of the units changed in retraining."""
    measures = ["cv", "interaction"]
    change = after.set_index("unit")[measures] / before.set_index("unit")[measures]
    return (
        f"Variant `{ava}`: over {len(change)} units and {before['clips'].iloc[0]:,} held-out "
        f"clips, cv changes by a median factor of **{change['cv'].median():.2f}** and the "
        "interaction of clips with frames, channels and tiles by "
        f"**{change['interaction'].median():.2f}**; the network, not pruned yet, is right on "
        f"{clip_interval(clips).percent()} of test clips."
    )


def aap_answer(ava: str, budget: float, clips: pd.DataFrame) -> str:
    """What one pruned network reaches, and what shuffled plans lose."""
    own = clips[clips["plans"] == "controller"]
    R = own["mac_ratio"]
    lost = paired_difference(own, clips[clips["plans"] == "shuffled"])
    missed = "" if abs(R.mean() - budget) <= MISS else f" (**misses the budget by over {MISS}**)"
    accuracy = clip_interval(own)
    return (
        f"AVA `{ava}`, budget {budget}: right on **{accuracy.percent()}** of {accuracy.clips:,} "
        f"test clips at a mean R of **{R.mean():.3f}**{missed}, 5th to 95th percentile "
        f"{R.quantile(0.05):.2f} to {R.quantile(0.95):.2f}. Shuffled plans lose "
        f"{100 * lost.mean:.1f} points [{100 * lost.low:.1f}, {100 * lost.high:.1f}]."
    )


# ------------------------------------------------------------------ accuracy against MACs
def accuracy_table(
    dense: pd.DataFrame,
    amplified: pd.DataFrame,
    aap: pd.DataFrame,
    units: pd.DataFrame,
    budget: float,
) -> pd.DataFrame:
    """A row a network: accuracy, costs, keep rates, what shuffled plans lose.

    Networks that were not retrained to the end stand apart as `unfinished`: they show where an
    arm comes from and are in no comparison.

    Args:
        dense, amplified, aap: `clips` of 01_dense, 02_ava and 03_aap. units: `units` of 03_aap.
    """
    reference = dense[dense["arm"] == "dense"]
    rows = [_row("dense", reference)]
    rows.append(_row("dense, where every arm starts (unfinished)", dense[dense["arm"] == "start"]))
    for ava, of_arm in amplified[amplified["ava"] != "none"].groupby("ava", sort=False):
        rows.append(_row(f"AVA {ava}, before pruning (unfinished)", of_arm))
    for ava, of_arm in aap.groupby("ava", sort=False):
        own = of_arm[of_arm["plans"] == "controller"]
        row = _row(arm_name(str(ava)), own)
        change = paired_difference(own, reference)
        lost = paired_difference(own, of_arm[of_arm["plans"] == "shuffled"])
        row |= {
            "against_dense": change.mean,
            "against_low": change.low,
            "against_high": change.high,
            "shuffled_loss": lost.mean,
            "R_5": own["mac_ratio"].quantile(0.05),
            "R_95": own["mac_ratio"].quantile(0.95),
            "on_budget": abs(own["mac_ratio"].mean() - budget) <= MISS,
        }
        kept = units[units["ava"] == ava].groupby("axis")["keep_rate"].mean()
        rows.append(row | {f"kept_{axis}": rate for axis, rate in kept.items()})
        static = of_arm[of_arm["plans"] == "majority"]
        rows.append(_row(f"{row['name']}, one plan for all", static))
    return pd.DataFrame(rows).assign(kind="measured")


def _row(name: str, clips: pd.DataFrame) -> dict[str, Any]:
    accuracy = clip_interval(clips)
    return {
        "name": name,
        "clips": accuracy.clips,
        "accuracy": accuracy.mean,
        "low": accuracy.low,
        "high": accuracy.high,
        "mac_ratio": clips["mac_ratio"].mean(),
        "byte_ratio": clips["byte_ratio"].mean(),
    }


def styled(table: pd.DataFrame) -> Any:
    """The accuracy table as a reader wants it."""
    percent = lambda share: "" if pd.isna(share) else f"{100 * share:.1f}"  # noqa: E731
    shown = pd.DataFrame({"network": table["name"], "test clips": table["clips"]})
    shown["accuracy, %"] = [
        f"{percent(a)} [{percent(low)}, {percent(high)}]"
        for a, low, high in zip(table["accuracy"], table["low"], table["high"], strict=True)
    ]
    shown["ideal MACs"] = table["mac_ratio"].map("{:.3f}".format)
    shown["ideal bytes"] = table["byte_ratio"].map("{:.3f}".format)
    shown["R, 5 to 95 %"] = [
        "" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["R_5"], table["R_95"], strict=True)
    ]
    for axis in ("frames", "channels", "features"):
        shown[f"{axis} kept, %"] = table[f"kept_{axis}"].map(percent)
    shown["against dense, points"] = [
        "" if pd.isna(mean) else f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        for mean, low, high in zip(
            table["against_dense"], table["against_low"], table["against_high"], strict=True
        )
    ]
    shown["shuffled plans lose, points"] = table["shuffled_loss"].map(percent)
    shown["on budget"] = table["on_budget"].map({True: "yes", False: "no"}).fillna("")
    return shown.style.hide(axis="index")


def accuracy_answer(table: pd.DataFrame) -> str:
    """What the table says, in a paragraph."""
    dense = table.iloc[0]
    parts = [
        f"The dense network is right on **{100 * dense['accuracy']:.1f} %** of "
        f"{dense['clips']:,} test clips."
    ]
    for row in table[table["against_dense"].notna()].to_dict("records"):
        missed = "" if row["on_budget"] else " (misses its budget, so not an equal-MACs comparison)"
        parts.append(
            f"{row['name']} reaches **{100 * row['accuracy']:.1f} %** with "
            f"**{100 * row['mac_ratio']:.0f} %** of the MACs and {100 * row['byte_ratio']:.0f} % "
            f"of the bytes{missed}: {100 * row['against_dense']:+.1f} points against dense "
            f"[{100 * row['against_low']:+.1f}, {100 * row['against_high']:+.1f}]; running another "
            f"clip's plan would cost {100 * row['shuffled_loss']:.1f} points."
        )
    return " ".join(parts)


# ------------------------------------------------------------------ variability
def variability_table(units: pd.DataFrame, norms: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: medians over units, and the size of norm scales and shifts."""
    measures = units.groupby("arm", sort=False)[["mean", "variance", "cv", "interaction", "active"]]
    sizes = norms.groupby("arm", sort=False)[["scale", "shift"]].mean().add_prefix("norm_")
    return measures.median().join(sizes).reset_index().assign(kind="measured")


def variability_answer(table: pd.DataFrame) -> str:
    """What AVA did to variability beyond what as long retraining without it does."""
    by_arm = table.set_index("arm").drop(columns="kind")
    without = "after as long without AVA"
    variants = [a for a in by_arm.index if a.startswith("after") and a != without]
    if without not in by_arm.index or not variants:
        return "Only one arm was run, so nothing can be compared; run with `-p ava=none,cv`."
    parts = []
    for arm in variants:
        ratios = by_arm.loc[arm] / by_arm.loc[without]
        parts.append(
            f"{arm.removeprefix('after ')}: median cv × **{ratios['cv']:.2f}**, interaction × "
            f"**{ratios['interaction']:.2f}**, norm scales × {ratios['norm_scale']:.2f}"
        )
    return (
        "Against retraining as long without AVA, on held-out clips: " + "; ".join(parts) + ". "
        "A higher statistic alone proves nothing; what it does to pruning is in "
        "`10_table_accuracy_macs`."
    )


# ------------------------------------------------------------------ what is kept
def keep_table(units: pd.DataFrame) -> pd.DataFrame:
    """A row an arm, branch and axis: mean keep rate, spread over clips, how undecided gates are."""
    columns = ["keep_rate", "keep_sd", "decision"]
    named = name_arms(units)
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


# ------------------------------------------------------------------ adaptivity
def plans_table(clips: pd.DataFrame) -> pd.DataFrame:
    """A row an arm and kind of plan: accuracy with its interval, mean R."""
    rows = []
    for (arm, plans), of_plan in name_arms(clips).groupby(["arm", "plans"], sort=False):
        accuracy = clip_interval(of_plan)
        rows.append(
            {
                "arm": arm,
                "plans": plans,
                "accuracy": accuracy.mean,
                "low": accuracy.low,
                "high": accuracy.high,
                "mac_ratio": of_plan["mac_ratio"].mean(),
            }
        )
    return pd.DataFrame(rows).assign(kind="measured")


def adaptivity_table(
    clips: pd.DataFrame, branches: pd.DataFrame, units: pd.DataFrame, places: pd.DataFrame
) -> pd.DataFrame:
    """A row an arm: spread of R, what foreign plans lose, and whether plans find the action.

    `largest_branch` is the largest share of R's variance that one branch carries (covariance of
    its part of R with R, over the variance of R: 1 is one block switched on and off); `difficulty`
    is Spearman's correlation of R with the stratum (easy, medium, hard), where the set has one.
    """
    rows = []
    for ava, of_arm in clips.groupby("ava", sort=False):
        own = of_arm[of_arm["plans"] == "controller"]
        lost = {
            plans: paired_difference(own, of_arm[of_arm["plans"] == plans])
            for plans in ("shuffled", "majority", "random")
        }
        row: dict[str, Any] = {
            "arm": arm_name(str(ava)),
            "clips": own["path"].nunique(),
            "R": own["mac_ratio"].mean(),
            "R_5": own["mac_ratio"].quantile(0.05),
            "R_95": own["mac_ratio"].quantile(0.95),
            "largest_branch": _largest_branch(branches[branches["ava"] == ava]),
            "difficulty": _difficulty(own),
            "decision": units[units["ava"] == ava]["decision"].mean(),
        }
        for plans, interval in lost.items():
            row |= {f"{plans}_loss": interval.mean, f"{plans}_low": interval.low,
                    f"{plans}_high": interval.high}  # fmt: skip
        if len(places):
            found = places[places["ava"] == ava].groupby("axis")[["recall", "kept"]].mean()
            row |= {f"{axis}_{c}": v for c in found for axis, v in found[c].items()}
        rows.append(row)
    return pd.DataFrame(rows).assign(kind="measured")


def _largest_branch(branches: pd.DataFrame) -> float:
    parts = branches.assign(part=branches["mac_ratio"] * branches["dense_share"])
    keys = [name for name in ("path", "seed") if name in parts]
    wide = parts.pivot_table("part", keys, "branch")
    if wide.sum(axis=1).nunique() < 2:  # R is the same for every clip
        return float("nan")
    covariance = wide.cov().sum()
    return float((covariance / covariance.sum()).max())


def _difficulty(own: pd.DataFrame) -> float:
    if "difficulty" not in own or own["difficulty"].nunique() < 2 or own["mac_ratio"].nunique() < 2:
        return float("nan")
    rank = own["difficulty"].map({"easy": 0, "medium": 1, "hard": 2})
    return float(stats.spearmanr(rank, own["mac_ratio"]).statistic)


def adaptivity_answer(table: pd.DataFrame) -> str:
    """Whether plans are worth more to their own clip than to another, arm by arm."""
    parts = []
    for row in table.to_dict("records"):
        worth = "are" if row["shuffled_low"] > 0 else "are not shown to be"
        text = (
            f"{row['arm']}: plans **{worth}** worth more to their own clip. Another clip's plan "
            f"costs {100 * row['shuffled_loss']:.1f} points [{100 * row['shuffled_low']:.1f}, "
            f"{100 * row['shuffled_high']:.1f}], one plan for all "
            f"{100 * row['majority_loss']:.1f}, a random one "
            f"{100 * row['random_loss']:.1f}; R runs from "
            f"{row['R_5']:.2f} to {row['R_95']:.2f} (5th to 95th percentile)"
        )
        if "features_recall" in row and row["features_recall"] == row["features_recall"]:
            text += (
                f"; {100 * row['features_recall']:.0f} % of the action's tiles are kept where "
                f"{100 * row['features_kept']:.0f} % of all are"
            )
        parts.append(text + ".")
    return " ".join(parts)


# ------------------------------------------------------------------ claims
def stage_times(
    results: str, seed: Sequence[int], fold: Sequence[str], ava: Sequence[str]
) -> pd.DataFrame:
    """Seconds of every training stage, a row a notebook, arm and stage."""
    common = {"seed": list(seed), "fold": list(fold)}
    history = [
        study.read(results, "01_dense", "history", **common).assign(notebook="01_dense"),
        study.read(results, "02_ava", "history", **common, ava=list(ava)).assign(notebook="02_ava"),
        study.read(results, "03_aap", "history", **common, ava=list(ava)).assign(notebook="03_aap"),
    ]
    times = pd.concat(history).groupby(["notebook", "arm", "stage"], sort=False)["seconds"]
    return times.agg(epochs="count", seconds="sum").reset_index()


def runs_table(results: str) -> pd.DataFrame:
    """Where, when and how every run of this folder was made."""
    columns = ["notebook", "commit", "dirty", "seed", "device", "threads"]
    made = study.runs(results)[[*columns, "duration_s", "peak_memory_mb"]]
    return made.assign(commit=made["commit"].str[:8])


def claims_answer(verdicts: pd.DataFrame, seeds: int, source: str) -> str:
    """How many claims came out how."""
    counts = verdicts["verdict"].value_counts()
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    caution = " One seed: an indication only, no verdict." if seeds == 1 else ""
    return f"Of {len(verdicts)} claims ({source}): **{listed}**.{caution}"
