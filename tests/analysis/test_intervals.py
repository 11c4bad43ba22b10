"""Intervals held against distributions that are known exactly."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dance_lib.analysis import intervals
from dance_lib.analysis.intervals import Interval, clip_interval, mean_interval, paired_difference


def ones(count, of):
    """`of` values, `count` of them 1."""
    return pd.Series([1.0] * count + [0.0] * (of - count))


def exact(chance, draws):
    """2.5 % and 97.5 % quantiles of a mean of draws that are 1 with this chance."""
    return stats.binom.ppf([0.025, 0.975], draws, chance) / draws


@pytest.mark.parametrize(("right", "of"), [(180, 200), (30, 60), (5, 400)])
def test_a_share_has_the_quantiles_of_its_binomial(right, of):
    """The bootstrap of k of n is Binomial(n, k/n)/n; 5,000 draws find it to a clip or two."""
    interval = mean_interval(ones(right, of))
    assert (interval.mean, interval.clips) == (right / of, of)
    assert (interval.low, interval.high) == pytest.approx(
        tuple(exact(right / of, of)), abs=1.5 / of
    )


def test_the_interval_covers_a_known_mean_about_as_often_as_it_says(monkeypatch):
    """100 samples of 100 draws at 0.7; 95 expected, fewer than 88 once in 700 times."""
    monkeypatch.setattr(intervals, "RESAMPLES", 1000)
    draw = np.random.default_rng(0)
    found = [mean_interval(pd.Series(draw.random(100) < 0.7)) for _ in range(100)]
    assert sum(i.low <= 0.7 <= i.high for i in found) >= 88
    assert sum(i.low <= 0.76 <= i.high for i in found) < 90  # it is no wider than it must be


def test_whole_groups_are_drawn():
    """Ten groups of ten alike: no more is known than from ten values."""
    values = ones(50, 100)
    groups = pd.Series(np.arange(100) // 10)
    grouped = mean_interval(values, groups)
    alone = mean_interval(values)
    assert grouped.mean == alone.mean == 0.5
    assert (grouped.low, grouped.high) == tuple(exact(0.5, 10)) == (0.2, 0.8)
    assert (alone.low, alone.high) == pytest.approx((0.4, 0.6), abs=0.01)
    assert grouped.clips == 100


def test_groups_count_by_their_size():
    """One clip of 1 beside three of 0: two draws of two groups give 0, 1/4 or 1."""
    interval = mean_interval(pd.Series([1.0, 0, 0, 0]), pd.Series(list("abbb")))
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.0, 1.0)


def test_a_group_is_drawn_with_its_size():
    """Two clips and ten, half of each right: so is half of whatever is drawn."""
    interval = mean_interval(pd.Series([1.0, 0.0] * 6), pd.Series(["a"] * 2 + ["b"] * 10))
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_groups_go_by_position_whatever_the_index():
    values = pd.Series([1.0, 1, 0, 0], index=list("wxyz"))
    groups = pd.Series(["a", "a", "b", "b"], index=[9, 8, 7, 6])
    interval = mean_interval(values, groups)
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_data_without_spread():
    assert mean_interval(pd.Series([0.3] * 7)) == Interval(0.3, 0.3, 0.3, 7)
    assert mean_interval(pd.Series([True, True])) == Interval(1.0, 1.0, 1.0, 2)
    assert mean_interval(pd.Series([2.0])) == Interval(2.0, 2.0, 2.0, 1)


def test_one_group_has_no_interval():
    interval = mean_interval(pd.Series([1.0, 0.0]), pd.Series(["a", "a"]))
    assert interval.mean == 0.5
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_no_data():
    interval = mean_interval(pd.Series([], dtype=float))
    assert interval.clips == 0
    assert all(math.isnan(v) for v in (interval.mean, interval.low, interval.high))


def test_the_same_data_give_the_same_interval():
    assert mean_interval(ones(20, 60)) == mean_interval(ones(20, 60))
    assert mean_interval(ones(20, 60), seed=1).mean == 1 / 3


def test_in_percent():
    assert Interval(0.9312, 0.9, 0.95, 10).percent() == "93.1 % [90.0, 95.0]"
    assert Interval(0.5, 0.25, 1.0, 4).percent(0) == "50 % [25, 100]"


# ------------------------------------------------------------------ tables
def rows(values, seed=0, **columns):
    return pd.DataFrame(
        {
            "path": [f"{i}.mp4" for i in range(len(values))],
            "correct": values,
            "seed": seed,
            **columns,
        }
    )


def test_seeds_are_averaged_before_clips_are_drawn():
    """Two seeds that fail on other clips: each clip is right half of the time, so is the mean."""
    ours = pd.concat([rows([1, 0, 1, 0], 0), rows([0, 1, 0, 1], 1)])
    theirs = pd.concat([rows([0, 0, 0, 0], s) for s in (0, 1)])
    assert clip_interval(ours) == Interval(0.5, 0.5, 0.5, 4)
    assert paired_difference(ours, theirs) == Interval(0.5, 0.5, 0.5, 4)


def test_differences_are_paired_by_path():
    """Each gains as much although clips differ; rows in another order, seeds in other numbers."""
    ours = rows([1, 0, 1, 0, 1]).assign(correct=lambda t: t["correct"] + 0.25)
    theirs = pd.concat([rows([1, 0, 1, 0, 1], s).iloc[::-1] for s in (3, 4, 5)])
    assert paired_difference(ours, theirs) == Interval(0.25, 0.25, 0.25, 5)


def test_only_clips_of_both_are_compared():
    interval = paired_difference(rows([1, 1, 1, 0]), rows([0, 0]))
    assert (interval.mean, interval.clips) == (1.0, 2)
    none = rows([1, 1]).assign(path=["x", "y"])
    assert paired_difference(rows([1, 1]), none).clips == 0


def test_tables_with_groups_draw_groups():
    group = [f"g{i // 10}" for i in range(100)]
    table = rows(ones(50, 100), group=group)
    assert clip_interval(table) == Interval(0.5, 0.2, 0.8, 100)
    wide = paired_difference(table, rows([0] * 100, group=group))
    assert (wide.low, wide.high) == (0.2, 0.8)
    missing = rows(ones(50, 100), group=[None] * 100)  # a set whose clips stand alone
    assert clip_interval(missing).low == pytest.approx(0.4, abs=0.01)


def test_groups_are_those_of_the_clips_that_are_compared():
    """The first clip is ours alone; of the rest, three of one group and three of another."""
    ours = rows([0, 1, 1, 1, 0, 0, 0], group=list("xaaabbb"))
    interval = paired_difference(ours, rows([0] * 7).iloc[1:])
    assert (interval.mean, interval.low, interval.high, interval.clips) == (0.5, 0.0, 1.0, 6)


def test_another_value_than_correct():
    assert clip_interval(rows([1, 0], mac_ratio=[0.25, 0.75]), "mac_ratio").mean == 0.5
