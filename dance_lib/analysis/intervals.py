"""Means with 95 % intervals, by bootstrap over clips crossed with seeds.

Clips (or groups of clips that belong together) and seeds are redrawn independently: every clip is
tested with every seed, so neither is nested in the other. That is the pigeonhole bootstrap of
A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 386–411 (2007).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from dance_lib.errors import DanceError

RESAMPLES = 5000
BATCH = 500  # resamples that are in memory at a time


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; `clips` and `seeds` say over how many it is."""

    mean: float
    low: float
    high: float
    clips: int
    seeds: int = 1

    def percent(self, digits: int = 1) -> str:
        """`93.1 % [91.2, 94.6]`."""
        values = [100 * v for v in (self.mean, self.low, self.high)]
        return "{:.{d}f} % [{:.{d}f}, {:.{d}f}]".format(*values, d=digits)


def in_points(mean: float, low: float, high: float) -> str:
    """A difference of shares: `+0.7 points [+0.1, +1.3]`."""
    return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*(100 * v for v in (mean, low, high)))


def mean_interval(values: pd.Series, groups: pd.Series | None = None, seed: int = 0) -> Interval:
    """Mean of a plain series, a value a clip or unit; `clip_interval` is for clips and seeds.

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
        batch=BATCH,
        method="percentile",
        rng=seed,
    )
    low, high = result.confidence_interval
    return Interval(float(numbers.mean()), float(low), float(high), numbers.size)


def student_interval(values: Sequence[float]) -> Interval:
    """Mean of a value a seed, with the interval of Student's t; fewer than two seeds give no ends.

    A percentile bootstrap over n seeds draws (n − 1) / n of their variance. This one does not, but
    takes the test clips as given.
    """
    numbers = np.asarray(values, dtype=float)
    count, mean = len(numbers), float(numbers.mean()) if len(numbers) else float("nan")
    if count < 2:
        return Interval(mean, float("nan"), float("nan"), count, count)
    low, high = DescrStatsW(numbers).tconfint_mean()
    return Interval(mean, float(low), float(high), count, count)


def clip_interval(rows: pd.DataFrame, value: str = "correct", seed: int = 0) -> Interval:
    """Mean of a value over clips and seeds, by groups where the table has them.

    Args:
        rows: a row a clip (`path`) and `seed`, with the value; without `seed` all is one seed.
            Rows of one clip and seed are averaged first. With `group` where clips belong together.

    Raises:
        DanceError: a clip lacks the value for a seed that other clips have.
    """
    values = seeds_by_clips(rows, value)
    _check_complete(values, value)
    return interval_of(values, resample(values, group_of_clips(rows, values.columns), seed))


def paired_difference(
    ours: pd.DataFrame, theirs: pd.DataFrame, value: str = "correct", seed: int = 0
) -> Interval:
    """Mean of ours − theirs, pair by pair, over the seeds and clips that both have.

    Args:
        ours, theirs: as `rows` of `clip_interval`; groups are those of ours.

    Raises:
        DanceError: no seed in common, or a pair of clip and seed is missing.
    """
    a, b = in_common(seeds_by_clips(ours, value), seeds_by_clips(theirs, value), value)
    return interval_of(a - b, resample(a - b, group_of_clips(ours, a.columns), seed))


def factor_interval(theirs: pd.Series, ours: pd.Series) -> Interval:
    """How many times ours fits into theirs, both positive, a value a run: geometric means.

    The interval is Welch's on the logarithms; with fewer than two runs of either it is not known,
    and has no ends.
    """
    a, b = np.log(theirs.astype(float).to_numpy()), np.log(ours.astype(float).to_numpy())
    count, factor = min(len(a), len(b)), float(np.exp(a.mean() - b.mean()))
    if count < 2:
        return Interval(factor, -np.inf, np.inf, count)
    if np.ptp(a) == np.ptp(b) == 0:  # no spread, which would give NaN
        return Interval(factor, factor, factor, count)
    both = CompareMeans(DescrStatsW(a), DescrStatsW(b))
    low, high = np.exp(both.tconfint_diff(usevar="unequal"))
    return Interval(factor, float(low), float(high), count)


# ------------------------------------------------------------------ seeds × clips
def seeds_by_clips(
    rows: pd.DataFrame, value: str, take: Literal["mean", "first"] = "mean"
) -> pd.DataFrame:
    """The values as a matrix, a row a seed and a column a clip; NaN where a pair has no value.

    Args:
        rows: as in `clip_interval`. take: what stands for several rows of one pair.
    """
    keyed = rows if "seed" in rows else rows.assign(seed=0)
    pairs = keyed.groupby(["seed", "path"], dropna=False)[value]
    return pairs.agg(take).unstack("path").astype(float)


def group_of_clips(rows: pd.DataFrame, clips: pd.Index) -> pd.Series | None:
    """The group of each clip; None where clips stand alone."""
    if "group" not in rows or rows["group"].isna().any():
        return None
    return rows.groupby("path")["group"].first().loc[clips]


def in_common(
    ours: pd.DataFrame, theirs: pd.DataFrame, value: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both matrices, cut to the seeds and then to the clips that both have.

    Raises:
        DanceError: no seed in common, or a pair of clip and seed is missing.
    """
    seeds = ours.index.intersection(theirs.index)
    if seeds.empty and not ours.empty and not theirs.empty:
        raise DanceError(
            f"no seed in common to compare {value!r} by: seeds {_listed(ours.index)} against "
            + _listed(theirs.index)
        )
    tables = [t.loc[seeds].dropna(axis="columns", how="all") for t in (ours, theirs)]
    clips = tables[0].columns.intersection(tables[1].columns)
    a, b = (t[clips] for t in tables)
    for table in (a, b):
        _check_complete(table, value)
    return a, b


def _listed(seeds: pd.Index) -> str:
    return ", ".join(map(str, seeds))


def _check_complete(values: pd.DataFrame, value: str) -> None:
    missing = np.argwhere(values.isna().to_numpy())
    if len(missing):
        row, column = missing[0]
        raise DanceError(
            f"no {value!r} of clip {values.columns[column]!r} with seed {values.index[row]}: "
            "every seed must have tested the same clips"
        )


# ------------------------------------------------------------------ the crossed bootstrap
def resample(values: pd.DataFrame, groups: pd.Series | None, seed: int = 0) -> np.ndarray:
    """Means of `RESAMPLES` redrawn matrices; NaN where a single clip or group leaves no choice.

    Args:
        values: seeds × clips, complete. groups: of its clips, in their order.
    """
    clips = values.shape[1]
    of_clip = np.arange(clips) if groups is None else pd.factorize(groups)[0]
    sizes = np.bincount(of_clip).astype(float)
    if len(sizes) < 2:
        return np.full(RESAMPLES, np.nan)
    sums = np.stack([np.bincount(of_clip, weights=of_seed) for of_seed in values.to_numpy()])
    # a stream of its own for each, so that the groups drawn don't depend on the number of seeds
    draw_groups, draw_seeds = np.random.default_rng(seed).spawn(2)
    means = []
    for start in range(0, RESAMPLES, BATCH):
        size = min(BATCH, RESAMPLES - start)
        by_group = _counts(draw_groups, size, len(sizes))
        by_seed = _counts(draw_seeds, size, len(sums))
        means.append(_ratio((by_seed @ sums) * by_group, len(sums) * sizes * by_group))
    return np.concatenate(means)


def _counts(draw: np.random.Generator, size: int, of: int) -> np.ndarray:
    """How often each of `of` comes up in as many draws, `size` times: multinomial (size, of)."""
    drawn = draw.integers(of, size=(size, of)) + of * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * of).reshape(size, of).astype(float)


def interval_of(values: pd.DataFrame, draws: np.ndarray) -> Interval:
    """The mean of seeds × clips, with the percentile interval of its resampled means."""
    numbers = values.to_numpy()
    if numbers.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    seeds, clips = numbers.shape
    if np.all(numbers == numbers[0, 0]):  # no spread, however few the clips
        mean = low = high = numbers[0, 0]
    else:
        mean, (low, high) = numbers.mean(), np.quantile(draws, [0.025, 0.975])
    return Interval(float(mean), float(low), float(high), clips, seeds)


def _ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    return sums.sum(axis=axis) / counts.sum(axis=axis)
