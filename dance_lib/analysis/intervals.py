"""Means with 95 % intervals, by bootstrap over clips or groups of clips that belong together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 5000


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; `clips` says over how many clips."""

    mean: float
    low: float
    high: float
    clips: int

    def percent(self, digits: int = 1) -> str:
        """`93.1 % [91.2, 94.6]`."""
        values = [100 * v for v in (self.mean, self.low, self.high)]
        return "{:.{d}f} % [{:.{d}f}, {:.{d}f}]".format(*values, d=digits)


def mean_interval(values: pd.Series, groups: pd.Series | None = None, seed: int = 0) -> Interval:
    """Mean of a value per clip; seeds of one clip must be averaged before.

    The percentile bootstrap of `scipy.stats.bootstrap`. With groups (videos of one recording),
    whole groups are drawn: clips of a group are not independent.
    """
    numbers = values.astype(float).to_numpy()
    if numbers.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    if np.all(numbers == numbers[0]):  # no spread to draw from; scipy would warn and give NaN
        return Interval(numbers[0], numbers[0], numbers[0], numbers.size)
    if groups is None:
        data: tuple[np.ndarray, ...] = (numbers,)
        statistic: Callable[..., np.ndarray] = np.mean
    else:
        by_group = pd.Series(numbers).groupby(groups.to_numpy())
        data = (by_group.sum().to_numpy(), by_group.count().to_numpy().astype(float))
        statistic = _ratio
    if len(data[0]) < 2:
        return Interval(float(numbers.mean()), float("nan"), float("nan"), numbers.size)
    result = stats.bootstrap(
        data,
        statistic,
        paired=len(data) > 1,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=500,
        method="percentile",
        rng=seed,
    )
    low, high = result.confidence_interval
    return Interval(float(numbers.mean()), float(low), float(high), numbers.size)


def paired_difference(
    ours: pd.DataFrame, theirs: pd.DataFrame, value: str = "correct", seed: int = 0
) -> Interval:
    """Mean of ours − theirs over the clips both have, each averaged over its seeds first.

    Args:
        ours, theirs: a row a clip and seed, with `path` and the value; with `group` where clips
            belong together.
    """
    a, b = (t.groupby("path")[value].mean() for t in (ours, theirs))
    difference = (a - b).dropna()
    groups = None
    if "group" in ours and ours["group"].notna().all():
        groups = ours.groupby("path")["group"].first().loc[difference.index]
    return mean_interval(difference, groups, seed)


def clip_interval(rows: pd.DataFrame, value: str = "correct", seed: int = 0) -> Interval:
    """Mean of a value over clips (and their seeds), by groups where the table has them."""
    per_clip = rows.groupby("path")[value].mean()
    groups = None
    if "group" in rows and rows["group"].notna().all():
        groups = rows.groupby("path")["group"].first().loc[per_clip.index]
    return mean_interval(per_clip, groups, seed)


def _ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    return sums.sum(axis=axis) / counts.sum(axis=axis)
