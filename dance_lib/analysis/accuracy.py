"""Accuracy against MACs: a row a network, and what the rows say."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from dance_lib.analysis import reading
from dance_lib.analysis.intervals import clip_interval, paired_difference

TOLD_BY = {
    "size_only": "width, height and length of the video alone",
    "single_frame": "one frame alone",
    "shuffled_frames": "frames in random order",
    "background": "clips without their actors",
}
COUNTED = "zeros counted"  # whose MACs are a share of those that ReLU's zeros leave, not of dense
MISS = 0.02  # a mean R further than this from its budget stays out of equal-MACs comparisons


def missed(ratio: float, budget: float) -> str:
    """A remark where a mean R is no equal-MACs comparison."""
    return "" if abs(ratio - budget) <= MISS else f" (**misses the budget by over {MISS}**)"


def percentiles(own: pd.DataFrame) -> dict[str, float]:
    """R's 5th and 95th percentile over clips, mean over seeds, as columns of a table.

    Not over clips and seeds at once: a network whose R is the same for all clips has no spread.
    """
    by_seed = own.groupby("seed")["mac_ratio"]
    return {f"R_{q}": float(by_seed.quantile(q / 100).mean()) for q in (5, 95)}


def dense_rows(dense: pd.DataFrame, amplified: pd.DataFrame) -> list[dict[str, Any]]:
    """The reference, and networks that were not retrained to the end, which stand apart.

    Args:
        dense, amplified: `clips` of 01_dense and 02_ava.
    """
    rows = [_row("dense", "reference", dense[dense["plans"] == "dense"])]
    rows.append(
        _row("dense, where every arm starts", "unfinished", dense[dense["plans"] == "start"])
    )
    for ava, of_variant in amplified[amplified["ava"] != "none"].groupby("ava", sort=False):
        rows.append(_row(f"AVA {ava}, before pruning", "unfinished", of_variant))
    return rows


def accuracy_table(
    dense: pd.DataFrame,
    amplified: pd.DataFrame,
    arms: pd.DataFrame,
    rivals: pd.DataFrame,
    units: pd.DataFrame,
    *,
    budgets: Mapping[str, float],
    titles: Mapping[str, str],
) -> pd.DataFrame:
    """A row a network: accuracy, costs, keep rates, what shuffled plans lose.

    Columns: name, group (`reference`, `unfinished`, `arm`, `one plan for all`, `rival`, or `zeros
    counted` for a rival that moves no fewer bytes), key (of the arm or rival), clips, seeds,
    accuracy and its interval, mac_ratio, byte_ratio; for all but the first two groups the
    difference to the reference, for arms and rivals the budget, and whether it is met.

    Args:
        dense, amplified, arms, rivals: `clips` of 01_dense to 04_rivals; `rivals` may be empty.
        units: of 03_aap. budgets, titles: of arms and rivals.
    """
    reference = dense[dense["plans"] == "dense"]
    rows = dense_rows(dense, amplified)
    for arm, of_arm in arms.groupby("arm", sort=False):
        own = of_arm[of_arm["plans"] == "controller"]
        row = _compared(titles[str(arm)], "arm", str(arm), own, reference, budgets)
        lost = paired_difference(own, of_arm[of_arm["plans"] == "shuffled"])
        row |= {
            "shuffled_loss": lost.mean,
            **percentiles(own),
        }
        kept = units[units["arm"] == arm].groupby("axis")["keep_rate"].mean()
        rows.append(row | {f"kept_{axis}": rate for axis, rate in kept.items()})
        static = of_arm[of_arm["plans"] == "majority"]
        name = f"{titles[str(arm)]}, one plan for all"
        row = _row(name, "one plan for all", static) | {"key": arm}
        rows.append(row | _change(static, reference))
    for rival, clips in rivals.groupby("rival", sort=False) if len(rivals) else ():
        group = "rival" if clips["byte_ratio"].notna().any() else COUNTED
        name = titles[str(rival)]
        rows.append(_compared(name, group, str(rival), clips, reference, budgets))
    return pd.DataFrame(rows).assign(kind="measured")


def _row(name: str, group: str, clips: pd.DataFrame) -> dict[str, Any]:
    accuracy = clip_interval(clips)
    return {
        "name": name,
        "group": group,
        "clips": accuracy.clips,
        "seeds": accuracy.seeds,
        "accuracy": accuracy.mean,
        "low": accuracy.low,
        "high": accuracy.high,
        "mac_ratio": clips["mac_ratio"].mean(),
        "byte_ratio": clips["byte_ratio"].mean(),
    }


def _compared(
    name: str,
    group: str,
    key: str,
    clips: pd.DataFrame,
    reference: pd.DataFrame,
    budgets: Mapping[str, float],
) -> dict[str, Any]:
    row = _row(name, group, clips)
    met = abs(row["mac_ratio"] - budgets[key]) <= MISS
    about = {"key": key, "budget": budgets[key], "on_budget": met}
    return row | about | _change(clips, reference)


def _change(clips: pd.DataFrame, reference: pd.DataFrame) -> dict[str, float]:
    change = paired_difference(clips, reference)
    return {
        "against_dense": change.mean,
        "against_low": change.low,
        "against_high": change.high,
    }


def styled(table: pd.DataFrame) -> Styler:
    """The accuracy table as a reader wants it."""
    shown = pd.DataFrame({"network": table["name"], "seeds": table["seeds"]})
    shown["accuracy, %"] = _with_interval(table, "accuracy", "low", "high", "{:.1f}")
    shown["against dense, points"] = _with_interval(
        table, "against_dense", "against_low", "against_high", "{:+.1f}"
    )
    shown["ideal MACs"] = table["mac_ratio"].map("{:.3f}".format)
    shown["ideal bytes"] = table["byte_ratio"].map(lambda b: "" if pd.isna(b) else f"{b:.3f}")
    if "R_5" in table:
        shown["R, 5 to 95 %"] = [
            "" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
            for low, high in zip(table["R_5"], table["R_95"], strict=True)
        ]
        for axis in ("frames", "channels", "features"):
            shown[f"{axis} kept, %"] = table[f"kept_{axis}"].map(_percent)
        shown["shuffled plans lose, points"] = table["shuffled_loss"].map(_percent)
    if "on_budget" in table:
        shown["on budget"] = table["on_budget"].map({True: "yes", False: "no"}).fillna("")
    return reading.table(shown)


def styled_baselines(baselines: pd.DataFrame) -> Styler:
    """Accuracy of each baseline of 01_dense, mean over seeds, by what it is told."""
    table = baselines.groupby("baseline", sort=False).agg(
        {"accuracy": "mean", "clips": "max", "seed": "nunique"}
    )
    shown = pd.DataFrame({"told by": [TOLD_BY[name] for name in table.index]})
    shown["accuracy, %"] = [_percent(share) for share in table["accuracy"]]
    shown["clips"], shown["seeds"] = table["clips"].tolist(), table["seed"].tolist()
    return reading.table(shown)


def _percent(share: float) -> str:
    return "" if pd.isna(share) else f"{100 * share:.1f}"


def _with_interval(table: pd.DataFrame, mean: str, low: str, high: str, form: str) -> list[str]:
    if mean not in table:
        return [""] * len(table)
    return [
        "" if pd.isna(row[0]) else "{} [{}, {}]".format(*(form.format(100 * v) for v in row))
        for row in table[[mean, low, high]].to_numpy(float)
    ]


def accuracy_answer(table: pd.DataFrame) -> str:
    """What the table says, a line a network."""
    dense = table.iloc[0]
    parts = [
        f"The dense network is right on **{100 * dense['accuracy']:.1f} %** of "
        f"{dense['clips']:,} test clips."
    ]
    compared = table[table["group"].isin(["arm", "rival", COUNTED])]
    for row in compared.to_dict("records"):
        remark = "" if row["on_budget"] else " (misses its budget, so not an equal-MACs comparison)"
        if row["group"] == COUNTED:
            remark = " that ReLU's own zeros leave, counted and not skipped"
        text = (
            f"- {row['name']}: **{100 * row['accuracy']:.1f} %** with "
            f"**{100 * row['mac_ratio']:.0f} %** of the MACs{remark}, "
            f"{100 * row['against_dense']:+.1f} points against dense "
            f"[{100 * row['against_low']:+.1f}, {100 * row['against_high']:+.1f}]"
        )
        if row["group"] == "arm":
            text += f"; another clip's plan would cost {100 * row['shuffled_loss']:.1f} points"
        parts.append(text)
    return "\n".join([parts[0], "", *parts[1:]])
