"""Intervals held against distributions that are known exactly."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dance_lib.analysis import intervals
from dance_lib.analysis.intervals import (
    Interval,
    clip_interval,
    factor_interval,
    mean_interval,
    paired_difference,
    resample,
    student_interval,
)
from dance_lib.errors import DanceError


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


def seeds(*matrix, **columns):
    """A table of the values of seeds 0, 1, …"""
    return pd.concat([rows(values, s, **columns) for s, values in enumerate(matrix)])


def test_differences_are_paired_by_path():
    """Each gains as much although clips differ; rows in another order, shuffles to average."""
    ours = rows([1, 0, 1, 0, 1]).assign(correct=lambda t: t["correct"] + 0.25)
    theirs = pd.concat([rows(v).iloc[::-1] for v in ([1, 0, 1, 0, 1], [2, 1, 2, 1, 2])])
    assert paired_difference(ours, theirs) == Interval(-0.25, -0.25, -0.25, 5)


def test_differences_are_paired_by_seed():
    ours = seeds([1, 0, 1], [0, 1, 1])
    assert paired_difference(ours, ours.iloc[::-1]) == Interval(0, 0, 0, 3, seeds=2)
    crossed = paired_difference(ours, ours.assign(seed=1 - ours["seed"]))
    assert (crossed.mean, crossed.low < 0 < crossed.high) == (0, True)


def test_only_seeds_of_both_are_compared():
    ours = seeds([0, 0, 0], [1, 1, 1], [1, 1, 1])
    theirs = ours.assign(seed=ours["seed"] + 1, correct=0)
    assert paired_difference(ours, theirs) == Interval(1, 1, 1, 3, seeds=2)


def test_without_a_seed_in_common_there_is_nothing_to_compare():
    with pytest.raises(DanceError, match=r"'correct' by: seeds 0, 1 against 3$"):
        paired_difference(seeds([1, 0], [1, 0]), rows([1, 0], 3))


def test_only_clips_of_both_are_compared():
    interval = paired_difference(rows([1, 1, 1, 0]), rows([0, 0]))
    assert (interval.mean, interval.clips) == (1.0, 2)
    none = rows([1, 1]).assign(path=["x", "y"])
    assert paired_difference(rows([1, 1]), none).clips == 0


def test_tables_with_groups_draw_groups():
    group = [f"g{i // 10}" for i in range(100)]
    table = rows(ones(50, 100), group=group)
    assert clip_interval(table) == Interval(0.5, 0.2, 0.8, 100)
    assert clip_interval(table.sample(frac=1, random_state=0)) == clip_interval(table)
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


def test_no_clips_in_a_table():
    assert clip_interval(rows([])).clips == 0
    assert paired_difference(rows([]), rows([1, 0])).clips == 0


def test_a_table_without_seeds_is_one_seed():
    table = rows(ones(20, 60))
    assert clip_interval(table.drop(columns="seed")) == clip_interval(table)
    assert clip_interval(table).seeds == 1


@pytest.mark.parametrize("compared", [False, True])
def test_a_seed_that_tested_other_clips_is_named(compared):
    """Seed 1 did not test the third clip, or without a result."""
    whole = seeds([1, 0, 1], [1, 0, 0])
    measure = (lambda t: paired_difference(whole, t)) if compared else clip_interval
    for partial in (whole.iloc[:-1], seeds([1, 0, 1], [1, 0, math.nan])):
        with pytest.raises(DanceError, match=r"no 'correct' of clip '2.mp4' with seed 1:"):
            measure(partial)


def test_folds_test_each_clip_once_with_every_seed():
    """Two folds of two clips, two seeds: as if one network had tested all four."""
    table = seeds([1, 0, 1, 1], [1, 0, 0, 1], fold=[0, 0, 1, 1])
    by_fold = table.sort_values(["fold", "seed"])
    interval = clip_interval(by_fold)
    assert interval == clip_interval(table.drop(columns="fold"))
    assert (interval.mean, interval.clips, interval.seeds) == (5 / 8, 4, 2)


# ------------------------------------------------------------------ clips crossed with seeds
def every_resample(matrix, groups):
    """All equally likely means: lists of drawn seeds and groups, written out one by one."""
    names = sorted(set(groups))
    means = []
    for drawn_seeds in itertools.product(range(len(matrix)), repeat=len(matrix)):
        for drawn_groups in itertools.product(names, repeat=len(names)):
            values = [
                matrix[s][clip]
                for s in drawn_seeds
                for g in drawn_groups
                for clip in range(len(groups))
                if groups[clip] == g
            ]
            means.append(sum(values) / len(values))
    return np.array(means)


@pytest.mark.parametrize(
    ("matrix", "groups"),
    [
        ([[1, 0, 0], [0, 0, 1]], "abc"),
        ([[0.3, 1, 0.1, 0.8], [0.2, 0.4, 0, 0.9], [0.9, 0.5, 0.3, 0.7]], "abcd"),
        ([[0.3, 1, 0.1, 0.8, 0.2], [0.2, 0.4, 0, 0.9, 0.6]], "abacb"),  # sizes 2, 2 and 1
        ([[1, 1, 1, 0, 0, 0.5]], "aaaabc"),  # one seed; sizes 4, 1 and 1
    ],
)
def test_resamples_have_the_distribution_of_all_there_are(matrix, groups):
    """Farther than 0.028 from it (Kolmogorov) they would be once in 1,000 times."""
    alone = len(set(groups)) == len(groups)
    drawn = resample(pd.DataFrame(matrix), None if alone else pd.Series(list(groups))).round(9)
    exact = every_resample(matrix, groups).round(9)
    at = np.unique(exact)
    assert set(drawn) <= set(at)
    below = [np.searchsorted(np.sort(means), at, side="right") for means in (drawn, exact)]
    assert np.abs(below[0] / len(drawn) - below[1] / len(exact)).max() < 0.028


def test_resamples_vary_as_the_closed_form_says():
    """Var = mean(α²)/S + mean(β²)/C + mean(γ²)/(SC) for seeds α, clips β, their interaction γ.

    Effects of equal size, so that each part counts: 1/5 + 1/20 + 1/100 = 0.26. The variance of
    5,000 draws has a standard error of 2 %.
    """
    alpha = np.array([1, 1, 1, 1, -4]) / 2  # mean square 1, as below
    beta = np.array([1.0, -1.0] * 10)
    gamma = np.outer(alpha, [1.0] * 10 + [-1.0] * 10)
    drawn = resample(pd.DataFrame(3 + alpha[:, None] + beta + gamma), None)
    assert drawn.var() == pytest.approx(0.26, rel=0.08)
    assert drawn.mean() == pytest.approx(3, abs=4 * math.sqrt(0.26 / 5000))


def test_seeds_are_drawn_as_well_as_clips():
    """All clips alike, so drawing clips alone would show no doubt; a seed in two fails."""
    assert clip_interval(seeds([1] * 50, [0] * 50)) == Interval(0.5, 0.0, 1.0, 50, 2)


def test_seeds_are_not_averaged_before_they_are_drawn():
    """Each clip is right with one of two seeds: one time in eight all that is drawn is right."""
    assert clip_interval(seeds([1, 0], [0, 1])) == Interval(0.5, 0.0, 1.0, 2, 2)


def test_seeds_that_agree_add_nothing():
    """Three seeds alike know what one knows: the same clips or groups are drawn."""
    for columns in ({}, {"group": [f"g{i % 12}" for i in range(60)]}):
        once = clip_interval(rows(ones(20, 60), **columns))
        thrice = clip_interval(seeds(*[ones(20, 60)] * 3, **columns))
        assert thrice == Interval(1 / 3, once.low, once.high, 60, seeds=3)
        assert once.low < 1 / 3 < once.high
    values = [[float(v) for v in range(10)]]
    one, three = (resample(pd.DataFrame(values * count), None) for count in (1, 3))
    assert three == pytest.approx(one)


def test_one_seed_is_the_bootstrap_over_clips():
    interval = clip_interval(rows(ones(180, 200)))
    assert (interval.low, interval.high) == pytest.approx(tuple(exact(0.9, 200)), abs=1.5 / 200)


def test_one_clip_or_group_of_several_seeds_has_no_interval():
    for table in (seeds([1], [0]), seeds([1, 1], [0, 1], group="a")):
        interval = clip_interval(table)
        assert 0 < interval.mean < 1
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)


def test_resamples_come_in_batches(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 1201)
    drawn = resample(pd.DataFrame([np.arange(30.0)]), None, seed=4)
    assert drawn.shape == (1201,)
    assert not np.array_equal(drawn[:500], drawn[500:1000])
    assert np.array_equal(drawn, resample(pd.DataFrame([np.arange(30.0)]), None, seed=4))
    assert not np.array_equal(drawn, resample(pd.DataFrame([np.arange(30.0)]), None, seed=5))


def test_how_many_times_ours_fits_into_theirs():
    theirs, ours = pd.Series([8.0, 2.0]), pd.Series([2.0, 2.0])  # geometric means 4 and 2
    found = factor_interval(theirs, ours)
    assert found.mean == pytest.approx(2)
    assert found.low < 1 < 2 < found.high
    assert found.low * found.high == pytest.approx(4)  # symmetric as logarithms
    assert found.clips == 2


def test_the_factor_of_runs_by_welch():
    theirs, ours = np.array([3.0, 3.3, 3.1]), np.array([2.0, 2.1])
    found = factor_interval(pd.Series(theirs), pd.Series(ours))
    a, b = np.log(theirs), np.log(ours)
    va, vb = a.var(ddof=1) / 3, b.var(ddof=1) / 2
    freedom = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 1)
    half = stats.t.ppf(0.975, freedom) * (va + vb) ** 0.5
    assert found.low == pytest.approx(np.exp(a.mean() - b.mean() - half))
    assert found.high == pytest.approx(np.exp(a.mean() - b.mean() + half))


def test_one_run_has_no_interval_and_equal_runs_have_no_width():
    one = factor_interval(pd.Series([4.0]), pd.Series([2.0, 2.0]))
    assert (one.mean, one.low, one.high, one.clips) == (2.0, -np.inf, np.inf, 1)
    equal = factor_interval(pd.Series([4.0, 4.0]), pd.Series([2.0, 2.0]))
    assert (equal.low, equal.high) == pytest.approx((2.0, 2.0))


# ------------------------------------------------------------------ over seeds alone
def test_seeds_alone_have_students_interval():
    """Mean 2, deviation 1, of three: 4.3027 / √3 either side, by a table of t with two degrees."""
    found = student_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.seeds) == (2.0, 3)
    assert (found.low, found.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)


def test_seeds_that_agree_leave_no_doubt():
    found = student_interval([0.5, 0.5])
    assert (found.low, found.high) == (0.5, 0.5)


@pytest.mark.parametrize("values", [(), (0.5,)])
def test_one_seed_has_no_interval_of_its_own(values):
    found = student_interval(values)
    assert np.isnan(found.low)
    assert np.isnan(found.high)
