"""Ours against theirs on the same clips and seeds: difference, p-values, effect size."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats import contingency_tables, multitest, proportion

from dance_lib.analysis.intervals import (
    Interval,
    group_of_clips,
    in_common,
    interval_of,
    resample,
    seeds_by_clips,
)

NAN = float("nan")


@dataclass(frozen=True)
class Comparison:
    """Ours against theirs, paired by clip and seed.

    Attributes:
        difference: ours − theirs, by the bootstrap over clips crossed with seeds.
        p_bootstrap: two-sided, from the same resamples; NaN with a single clip or group.
        p_mcnemar: the exact test over all pairs of clip and seed. One clip's pairs of several
            seeds (and clips of a group) are not independent, but count here as if they were: this
            is the second view, `p_bootstrap` the first. NaN unless values are 0 or 1.
        effect: Cohen's h of the two shares; NaN unless values are 0 or 1.
        by_seed: the difference of each seed.
        ours_only, theirs_only: pairs on which ours alone is 1, or theirs; None unless values are
            0 or 1.
    """

    difference: Interval
    p_bootstrap: float
    p_mcnemar: float
    effect: float
    by_seed: tuple[float, ...]
    ours_only: int | None
    theirs_only: int | None


def compare(
    ours: pd.DataFrame, theirs: pd.DataFrame, value: str = "correct", seed: int = 0
) -> Comparison:
    """Compare two tables over the seeds and clips that both have.

    Args:
        ours, theirs: a row a clip (`path`) and `seed`, as in `paired_difference`. Several rows of
            one pair (three shuffles) are averaged; for McNemar's test the first stands for them.

    Raises:
        DanceError: no seed in common, or a pair of clip and seed is missing.
    """
    a, b = in_common(seeds_by_clips(ours, value), seeds_by_clips(theirs, value), value)
    draws = resample(a - b, group_of_clips(ours, a.columns), seed)
    difference, p_bootstrap = interval_of(a - b, draws), _two_sided(draws)
    by_seed = tuple((a - b).mean(axis="columns"))
    if a.empty or not all(t[value].dropna().isin([0, 1]).all() for t in (ours, theirs)):
        return Comparison(difference, p_bootstrap, NAN, NAN, by_seed, None, None)
    in_ours, in_theirs = (
        seeds_by_clips(t, value, "first").loc[a.index, a.columns].to_numpy() == 1
        for t in (ours, theirs)
    )
    ours_only, theirs_only = int((in_ours & ~in_theirs).sum()), int((in_theirs & ~in_ours).sum())
    discordant = [[0, ours_only], [theirs_only, 0]]  # the exact test needs no others
    return Comparison(
        difference,
        p_bootstrap,
        float(contingency_tables.mcnemar(discordant, exact=True).pvalue),
        float(proportion.proportion_effectsize(a.to_numpy().mean(), b.to_numpy().mean())),
        by_seed,
        ours_only,
        theirs_only,
    )


def holm(p_values: pd.Series) -> pd.Series:
    """p-values adjusted by Holm's method; a NaN stays one and does not count in the family."""
    adjusted = p_values.astype(float)
    tested = adjusted.notna()
    if tested.any():
        adjusted[tested] = multitest.multipletests(adjusted[tested], method="holm")[1]
    return adjusted


def _two_sided(draws: np.ndarray) -> float:
    """Twice the smaller share of resamples on either side of 0; they can show no less than 1 in N.

    A resample of 0 counts on both sides.
    """
    if np.isnan(draws).any():
        return NAN
    rounded = draws.round(12)  # fractions that cancel may leave 1e-17
    share = min((rounded <= 0).mean(), (rounded >= 0).mean())
    return float(np.clip(2 * share, 1 / (len(draws) + 1), 1))
