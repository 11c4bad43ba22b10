"""Comparisons held against p-values and effects worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from dance_lib.analysis.comparisons import compare, holm
from dance_lib.analysis.intervals import paired_difference
from dance_lib.errors import DanceError


def rows(values, seed=0, **columns):
    paths = [f"{i}.mp4" for i in range(len(values))]
    return pd.DataFrame({"path": paths, "correct": values, "seed": seed, **columns})


def gains(*differences):
    """Two tables whose values differ so, clip by clip."""
    ours = [int(d > 0) for d in differences]
    return rows(ours), rows([o - d for o, d in zip(ours, differences, strict=True)])


# ------------------------------------------------------------------ the bootstrap's p-value
@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        # three or more of five draws, each of the lost clip one time in five: 0.05792
        ((1, 1, 1, 1, -1), 2 * 0.05792),
        ((-1, -1, -1, -1, 1), 2 * 0.05792),  # two-sided
        ((1, 0), 0.5),  # a mean of 0 is one of four and counts on both sides
        ((1, -1), 1.0),  # 3/4 on either side
        ((0, 0, 0), 1.0),
    ],
)
def test_p_is_twice_the_smaller_share_beside_zero(differences, expected):
    assert compare(*gains(*differences)).p_bootstrap == pytest.approx(expected, abs=0.03)


def test_p_is_never_less_than_resamples_can_show():
    assert compare(*gains(1, 1, 1)).p_bootstrap == 1 / 5001


def test_p_counts_seeds_as_well_as_clips():
    """Won on one clip of two with one seed of two: 1 − (3/4)² of resamples have it, 7/16 not."""
    ours = pd.concat([rows([1, 0], 0), rows([0, 0], 1)])
    found = compare(ours, ours.assign(correct=0))
    assert found.p_bootstrap == pytest.approx(7 / 8, abs=0.03)
    assert (found.difference.mean, found.difference.seeds) == (0.25, 2)
    assert found.by_seed == (0.5, 0.0)


def test_p_counts_groups_once():
    """Four clips won and one lost, in two groups: of the second group alone one time in four."""
    ours, theirs = gains(1, 1, 1, 1, -1)
    found = compare(ours.assign(group=list("aaaab")), theirs)
    assert found.p_bootstrap == pytest.approx(0.5, abs=0.03)


def test_what_is_zero_but_for_rounding_is_zero():
    """A clip won and one alike: of four draws one shows nothing. 0.1 + 0.2 − 0.3 is above 0."""
    assert 0.1 + 0.2 > 0.3
    assert compare(rows([1, 0.1 + 0.2]), rows([0, 0.3])).p_bootstrap == pytest.approx(0.5, abs=0.03)


def test_the_difference_is_the_paired_one():
    draw = np.random.default_rng(0)
    ours, theirs = (
        pd.concat(
            [rows(draw.integers(2, size=40), s, group=list("abcdefgh") * 5) for s in range(3)]
        )
        for _ in range(2)
    )
    assert compare(ours, theirs, seed=7).difference == paired_difference(ours, theirs, seed=7)
    assert compare(ours, theirs) == compare(ours, theirs)


# ------------------------------------------------------------------ McNemar and the effect
def test_mcnemar_over_all_pairs_of_clip_and_seed():
    """Five pairs won and one lost over two seeds: 2 (1 + 6) / 2⁶ = 0.21875."""
    ours = pd.concat([rows([1, 1, 1, 0, 1], 0), rows([1, 1, 0, 0, 1], 1)])
    theirs = pd.concat([rows([0, 0, 0, 1, 1], 0), rows([0, 0, 0, 0, 1], 1)])
    found = compare(ours, theirs.iloc[::-1])
    assert (found.ours_only, found.theirs_only) == (5, 1)
    assert found.p_mcnemar == pytest.approx(0.21875)
    turned = compare(theirs, ours)
    assert (turned.ours_only, turned.theirs_only, turned.p_mcnemar) == (1, 5, found.p_mcnemar)


def test_where_both_agree_mcnemar_sees_nothing():
    found = compare(rows([1, 0, 1]), rows([1, 0, 1]))
    assert (found.ours_only, found.theirs_only, found.p_mcnemar, found.effect) == (0, 0, 1, 0)


def test_mcnemar_takes_the_first_of_several_rows_and_the_rest_their_mean():
    """Three shuffles, each right on half; the first on the last two clips."""
    theirs = pd.concat([rows(v) for v in ([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0])])
    found = compare(rows([1, 1, 1, 1]), theirs)
    assert (found.ours_only, found.theirs_only) == (2, 0)
    assert found.p_mcnemar == 0.5  # 2 / 2²
    assert found.difference.mean == pytest.approx(0.5)
    assert found.effect == pytest.approx(math.pi / 2)  # 2 (π/2 − π/4)


def test_effect_of_three_quarters_against_one():
    """2 (asin √(3/4) − asin √(1/4)) = 2 (π/3 − π/6)."""
    ours, theirs = rows([1, 1, 1, 0]), rows([1, 0, 0, 0])
    assert compare(ours, theirs).effect == pytest.approx(math.pi / 3)
    assert compare(theirs, ours).effect == pytest.approx(-math.pi / 3)


def test_booleans_are_binary():
    ours, theirs = rows([True, True, False]), rows([False, True, False])
    found = compare(ours, theirs)
    assert (found.ours_only, found.theirs_only, found.p_mcnemar) == (1, 0, 1)


def test_values_that_are_not_binary_have_the_bootstrap_only():
    ours, theirs = (rows([1, 1, 1], mac_ratio=r) for r in ([0.5, 0.6, 0.4], [0.7, 0.9, 0.8]))
    found = compare(ours, theirs, "mac_ratio")
    assert found.difference.mean == pytest.approx(-0.3)
    assert found.p_bootstrap == 1 / 5001
    assert math.isnan(found.p_mcnemar)
    assert math.isnan(found.effect)
    assert (found.ours_only, found.theirs_only) == (None, None)


# ------------------------------------------------------------------ what can't be compared
def test_a_single_clip_proves_nothing():
    found = compare(rows([1]), rows([0]))
    assert math.isnan(found.p_bootstrap)
    assert found.difference.mean == 1
    assert found.p_mcnemar == 1


def test_without_clips_in_common_nothing_is_known():
    found = compare(rows([1, 0]), rows([1, 0]).assign(path=["x", "y"]))
    assert found.difference.clips == 0
    assert all(math.isnan(v) for v in (found.p_bootstrap, found.p_mcnemar, found.effect))
    assert (found.ours_only, found.theirs_only) == (None, None)


def test_only_what_both_have_is_counted():
    """Of ours, a clip and a seed more; both would be won."""
    ours = pd.concat([rows([1, 0, 1], s) for s in (0, 1)])
    found = compare(ours, rows([0, 1], 1))
    assert (found.ours_only, found.theirs_only) == (1, 1)
    assert (found.difference.clips, found.difference.seeds) == (2, 1)


def test_a_missing_pair_is_named():
    ours = pd.concat([rows([1, 0], s) for s in (0, 1)])
    with pytest.raises(DanceError, match=r"clip '1.mp4' with seed 1"):
        compare(ours, ours.iloc[:-1])


# ------------------------------------------------------------------ Holm
def test_holm():
    """Sorted 0.01, 0.03, 0.04 times 3, 2 and 1; 0.04 may not be below 0.06 before it."""
    found = holm(pd.Series([0.01, 0.04, 0.03], index=["a", "b", "c"], name="p"))
    assert found.to_dict() == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert found.name == "p"


def test_holm_stops_at_one():
    assert holm(pd.Series([0.6, 0.7])).tolist() == [1, 1]


def test_what_is_not_tested_is_not_in_the_family():
    before = pd.Series([math.nan, 0.02, math.nan, 0.5])
    found = holm(before)
    assert found[[1, 3]].tolist() == pytest.approx([0.04, 0.5])
    assert found.isna().tolist() == [True, False, True, False]
    assert before[1] == 0.02  # the caller's own stay


def test_holm_of_nothing():
    assert holm(pd.Series([math.nan, math.nan])).isna().all()
    assert holm(pd.Series([], dtype=float)).empty
