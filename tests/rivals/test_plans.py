"""Static plans against rates and MACs worked out by hand."""

from itertools import combinations

import pytest
import torch

from dance_lib import Dance, PruningPlan
from dance_lib.aap.plan import AXES
from dance_lib.errors import DanceError
from dance_lib.meter.cost import mac_ratios
from dance_lib.rivals.plans import (
    above,
    branch_subsets,
    keep_rates,
    majority,
    mean_gates,
    repeated,
    without_branches,
)
from tests.analysis.plans import decided
from tests.networks import CLIP, FAMILIES

FIRST, SECOND, OTHER = 294_912 + 98_304, 165_888 + 12_288, 59_472  # MACs of `TwoBlocks`
DENSE = FIRST + SECOND + OTHER


@pytest.fixture
def staggered(net):
    """Of four clips all keep frame 0 of the first branch, three frame 1, two frame 2, one frame 3.

    One of four keeps the second group of a.0; three keep row 3 of the second branch's tiles.
    """
    first, second = net.structure.branches
    rows = [[[1] * 4] * 4] * 3 + [[[1] * 4] * 3 + [[0] * 4]]
    return decided(
        net,
        4,
        frames={first: [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]},
        channels={"a.0": [[1, 1], [1, 0], [1, 0], [1, 0]]},
        tiles={second: rows},
    )


def ratio_of(net, plan):
    return mac_ratios(net.structure, plan).item()


def same(one, other):
    return all(
        torch.equal(getattr(one, axis)[u], getattr(other, axis)[u])
        for axis in AXES
        for u in one.units
    )


def dropped(net, plan):
    """Branches of which a plan of one clip keeps nothing; the others it keeps whole."""
    names = set()
    for name, branch in net.structure.branches.items():
        kept = {bool(e) for u in branch.units for a in AXES for e in getattr(plan, a)[u].flatten()}
        assert len(kept) == 1
        names |= {name} if kept == {False} else set()
    return names


# ------------------------------------------------------------------ rates
def test_rates_by_hand(net, staggered):
    rates = keep_rates(staggered)
    assert rates["frames"]["a.0"].tolist() == [[1.0, 0.75, 0.5, 0.25]]
    assert rates["frames"]["b.0"].tolist() == [[1.0, 0.75, 0.5, 0.25]]
    assert rates["channels"]["a.0"].tolist() == [[1.0] * 8 + [0.25] * 8]
    assert rates["features"]["d"].tolist() == [[[1.0] * 4] * 3 + [[0.75] * 4]]
    assert rates["frames"]["d"].tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    ("threshold", "frames", "groups", "rows"),
    [(0.0, 4, 2, 4), (0.25, 4, 2, 4), (0.3, 3, 1, 4), (0.75, 2, 1, 4), (0.8, 1, 1, 3)],
)
def test_what_is_kept_at_a_rate_of_at_least_the_threshold(
    net, staggered, threshold, frames, groups, rows
):
    plan = above(keep_rates(staggered), threshold, net.structure)
    assert len(plan) == 1
    assert plan.frames["a.0"][0].tolist() == [t < frames for t in range(4)]
    assert plan.channels["a.0"][0].tolist() == [c < 8 * groups for c in range(16)]
    assert plan.features["d"][0, :, 0].tolist() == [h < rows for h in range(4)]


def test_majority_is_a_threshold_of_one_half(net, staggered):
    assert same(
        majority(staggered, net.structure), above(keep_rates(staggered), 0.5, net.structure)
    )
    assert majority(staggered, net.structure).frames["b.0"].tolist() == [[True, True, True, False]]


# ------------------------------------------------------------------ mean gates
def by_frames(count, groups, rows):
    """R that keeps so many frames and groups of the first branch, and rows of the second."""
    first = FIRST * count / 4 * groups / 2
    c_and_d = 165_888 * rows / 4 + 12_288 * rows / 4
    return (OTHER + first + c_and_d) / DENSE


@pytest.mark.parametrize(
    ("ratio", "frames", "groups", "rows"),
    [
        (1.0, 4, 2, 4),
        (0.95, 4, 2, 4),
        (0.62, 3, 1, 4),  # 0.61; without frame 2 it would be 0.53
        (0.56, 2, 1, 4),  # 0.53, and 0.61 with frame 2
        (0.51, 2, 1, 4),
        (0.40, 1, 1, 3),  # 0.38
        (0.05, 1, 1, 3),  # what all clips keep stays
    ],
)
def test_mean_gates_by_hand(net, staggered, ratio, frames, groups, rows):
    plan = mean_gates(staggered, net.structure, ratio)
    assert len(plan) == 1
    for unit in ("a.0", "b.0"):
        assert plan.frames[unit][0].tolist() == [t < frames for t in range(4)]
    assert plan.channels["a.0"][0].tolist() == [c < 8 * groups for c in range(16)]
    assert plan.features["d"][0, :, 0].tolist() == [h < rows for h in range(4)]
    assert ratio_of(net, plan) == pytest.approx(by_frames(frames, groups, rows))
    plan.check(net.structure)


@pytest.mark.parametrize("family", ["r3d", "c3d", "csn", "s3d", "x3d"])
def test_mean_gates_take_the_nearest_of_all_thresholds(family):
    """On every kind of network, against a plan at every threshold that makes a difference."""
    structure = (net := Dance(FAMILIES[family](), CLIP)).structure
    plans = PruningPlan.random(net, 12, frames=0.6, channels=0.7, features=0.6, seed=5)
    rates = keep_rates(plans)
    reached = [ratio_of(net, above(rates, k / 12, structure)) for k in range(13)]
    assert len(set(reached)) > 5
    for ratio in (0.9, 0.6, 0.4, 0.25):
        plan = mean_gates(plans, structure, ratio)
        plan.check(structure)
        missed = abs(ratio_of(net, plan) - ratio)
        assert missed == pytest.approx(min(abs(r - ratio) for r in reached))


# ------------------------------------------------------------------ branches
def test_without_branches_by_hand(net):
    first, second = net.structure.branches
    for names, macs in (((), DENSE), ((first,), DENSE - FIRST), ((second,), DENSE - SECOND),
                        ((first, second), OTHER)):  # fmt: skip
        plan = without_branches(net.structure, names)
        assert len(plan) == 1
        assert dropped(net, plan) == set(names)
        assert ratio_of(net, plan) == pytest.approx(macs / DENSE)
        plan.check(net.structure)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (1.0, [()]),
        (0.8, [(0,), (1,)]),  # 0.72 without the second, 0.38 without the first
        (0.72, [(0,), (1,)]),
        (0.71, [(0,)]),
        (0.38, [(0,)]),
        (0.37, [(0, 1)]),
        (0.095, [(0, 1)]),
    ],
)
def test_branch_subsets_by_hand(net, ratio, expected):
    names = list(net.structure.branches)
    found = [dropped(net, plan) for plan in branch_subsets(net.structure, ratio)]
    assert found == [{names[i] for i in numbers} for numbers in expected]


def test_branch_subsets_drop_no_more_than_they_have_to():
    """Five branches: every set that fits, less those that hold another one that fits."""
    net = Dance(FAMILIES["r3d"](), CLIP)
    macs = {b.name: sum(net.structure.units[u].dense_macs for u in b.units)
            for b in net.structure.branches.values()}  # fmt: skip
    budget = 0.6 * net.structure.dense_macs
    sets = [set(s) for n in range(6) for s in combinations(macs, n)]
    fit = [s for s in sets if net.structure.dense_macs - sum(macs[b] for b in s) <= budget]
    expected = [s for s in fit if not any(other < s for other in fit)]
    found = [dropped(net, plan) for plan in branch_subsets(net.structure, 0.6)]
    assert 1 < len(expected) < len(fit)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


def test_a_ratio_that_no_set_of_branches_reaches(net):
    with pytest.raises(DanceError, match=r"no set of branches .* reach 0\.09 of the MACs"):
        branch_subsets(net.structure, 0.09)  # the stem and the shortcut alone are more
    plain = Dance(FAMILIES["c3d"](), CLIP)
    with pytest.raises(DanceError, match="no set of branches"):
        branch_subsets(plain.structure, 0.9)


# ------------------------------------------------------------------ one plan for many
def test_one_plan_repeated(net):
    plan = PruningPlan.random(net, 1, frames=0.5, channels=0.5, features=0.5)
    many = repeated(plan, 3)
    assert len(many) == 3
    many.check(net.structure)
    assert all(same(many[n], plan) for n in range(3))
