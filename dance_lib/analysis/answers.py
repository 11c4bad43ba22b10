"""What the computing notebooks answer, in a paragraph each."""

import pandas as pd

from dance_lib.analysis.accuracy import missed
from dance_lib.analysis.intervals import clip_interval, paired_difference
from dance_lib.data import ClipSet
from dance_lib.train import Recipe


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
    start, dense = (clip_interval(clips[clips["plans"] == plans]) for plans in ("start", "dense"))
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
    mixed = change["interaction"].median()
    told = "**not tested**, of too few clips" if pd.isna(mixed) else f"**{mixed:.2f}**"
    return (
        f"Variant `{ava}`: over {len(change)} units and {before['clips'].iloc[0]:,} held-out "
        f"clips, cv changes by a median factor of **{change['cv'].median():.2f}** and the "
        f"interaction of clips with frames, channels and tiles by {told}; the network, not pruned "
        f"yet, is right on {clip_interval(clips).percent()} of test clips."
    )


def aap_answer(arm: str, budget: float, clips: pd.DataFrame) -> str:
    """What one pruned network reaches, and what shuffled plans lose."""
    own = clips[clips["plans"] == "controller"]
    R = own["mac_ratio"]
    lost = paired_difference(own, clips[clips["plans"] == "shuffled"])
    accuracy = clip_interval(own)
    return (
        f"`{arm}`, budget {budget}: right on **{accuracy.percent()}** of {accuracy.clips:,} "
        f"test clips at a mean R of **{R.mean():.3f}**{missed(R.mean(), budget)}, 5th to 95th "
        f"percentile {R.quantile(0.05):.2f} to {R.quantile(0.95):.2f}. Shuffled plans lose "
        f"{100 * lost.mean:.1f} points [{100 * lost.low:.1f}, {100 * lost.high:.1f}]."
    )


def rival_answer(rival: str, budget: float, clips: pd.DataFrame) -> str:
    """What one rival reaches."""
    accuracy, ratio = clip_interval(clips), clips["mac_ratio"].mean()
    return (
        f"`{rival}`, budget {budget}: right on **{accuracy.percent()}** of {accuracy.clips:,} "
        f"test clips at **{ratio:.3f}** of the MACs{missed(ratio, budget)}."
    )
