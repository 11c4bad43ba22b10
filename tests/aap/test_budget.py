"""The budget's penalty, by hand on a network whose MACs are round enough to add up on paper."""

import numpy as np
import pytest
import torch

from dance_lib import Dance, DanceError, PruningPlan
from dance_lib.aap import Budget
from tests.networks import TwoBlocks

# (T, H, W) positions × channel pairs × kernel; see TwoBlocks.
A, B = 256 * 8 * 16 * 9, 256 * 16 * 8 * 3
C, D = 32 * 8 * 24 * 27, 32 * 24 * 16
OTHER = 256 * 3 * 8 * 9 + 32 * 8 * 16 + 16 * 5
DENSE = A + B + C + D + OTHER


@pytest.fixture(scope="module")
def net():
    return Dance(TwoBlocks(), TwoBlocks.clip)


@pytest.fixture
def masks(net):
    """Clip 0 keeps half the frames of branch 1; clip 1 drops branch 2."""
    full = PruningPlan.full(net, 2)
    entries = {a: {u: m.double() for u, m in getattr(full, a).items()} for a in
               ("frames", "channels", "features")}  # fmt: skip
    for unit in ("a.0", "b.0"):
        entries["frames"][unit][0, 2:] = 0.0
    for unit in ("c.0", "d"):
        entries["features"][unit][1] = 0.0
    return type(net.decide(net.stem(torch.rand(2, *TwoBlocks.clip))))(**entries)


def by_hand(target, slack, extra=0):
    """(mean R − ρ)² + mean over branches of max(0, |mean R_b − ρ_b| − slack)²."""
    R = np.array([OTHER + extra + (A + B) / 2 + C + D, OTHER + extra + A + B]) / DENSE
    branch = np.array([(0.5 + 1) / 2, (1 + 0) / 2])
    # All branches at ρ_b, and what is never pruned, add up to ρ.
    share = (target * DENSE - OTHER - extra) / (A + B + C + D)
    outside = np.maximum(0, np.abs(branch - share) - slack)
    return (R.mean() - target) ** 2 + (outside**2).mean(), R


@pytest.mark.parametrize("extra", [0, 1234])
@pytest.mark.parametrize(
    ("progress", "target", "slack"),
    [
        (0.0, 1.0, 0.05),
        (0.125, 0.85, 0.05),  # a quarter of the way from 1 to 0.4
        (0.5, 0.4, 0.05),
        (0.75, 0.4, 0.125),  # half of the loosening from 0.05 to 0.2
        (1.0, 0.4, 0.2),
    ],
)
def test_the_loss_by_hand(net, masks, progress, target, slack, extra):
    budget = Budget(0.4, slack=(0.05, 0.2), anneal=0.5)
    assert budget.target_at(progress) == pytest.approx(target)
    loss, ratios = budget.loss(net.structure, masks, progress, extra)
    expected, R = by_hand(target, slack, extra)
    np.testing.assert_allclose(ratios.numpy(), R, rtol=1e-12)
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-9)


def test_no_annealing_starts_at_the_target(net, masks):
    budget = Budget(0.4, slack=(0.0, 0.0), anneal=0.0)
    assert budget.target_at(0.0) == 0.4
    np.testing.assert_allclose(
        budget.loss(net.structure, masks, 0.0)[0].item(), by_hand(0.4, 0.0)[0], rtol=1e-9
    )


def test_a_batch_mean_and_never_an_equality_for_each_clip(net):
    """Clips above and below the target cancel; nothing pulls them together."""
    plan = PruningPlan.cat([PruningPlan.full(net), PruningPlan.full(net)])
    entries = {a: {u: m.double() for u, m in getattr(plan, a).items()} for a in
               ("frames", "channels", "features")}  # fmt: skip
    for unit in plan.units:
        entries["features"][unit][1] = 0.0
    rho = (1 + OTHER / DENSE) / 2
    masks = type(net.decide(net.stem(torch.rand(2, *TwoBlocks.clip))))(**entries)
    loss, ratios = Budget(rho, slack=(0.0, 0.0), anneal=0.0).loss(net.structure, masks, 1.0)
    assert ratios.tolist() == [1.0, pytest.approx(OTHER / DENSE)]
    assert loss.item() == pytest.approx(0.0, abs=1e-15)


def test_its_gradient_pulls_gates_down_above_the_target_and_up_below(net):
    for rho, sign in ((0.3, 1), (0.999, -1)):
        gates = {}
        full = PruningPlan.random(net, 2, frames=0.5)
        for axis in ("frames", "channels", "features"):
            gates[axis] = {u: m.double().requires_grad_() for u, m in getattr(full, axis).items()}
        masks = type(net.decide(net.stem(torch.rand(2, *TwoBlocks.clip))))(**gates)
        Budget(rho, anneal=0.0).loss(net.structure, masks, 1.0)[0].backward()
        for axis in gates.values():
            for unit in axis.values():
                assert (unit.grad * sign >= 0).all()
                assert (unit.grad * sign).sum() > 0


@pytest.mark.parametrize("target", [0.0, -0.1, 1.2, float("nan")])
def test_targets_outside_the_unit_interval(target):
    with pytest.raises(DanceError, match=r"a budget is a MAC ratio in \(0, 1\], not"):
        Budget(target)


def test_targets_that_can_not_be_met(net):
    floor = (OTHER + 10) / DENSE
    Budget(floor + 0.001).check(net.structure, 10)
    message = rf"a budget of .* can't be met: {floor:.3f} of the MACs are never pruned"
    with pytest.raises(DanceError, match=message):
        Budget(floor).check(net.structure, 10)


def test_a_branch_that_is_always_open_is_never_pruned(net, masks):
    """Branch 1 stays open: branch 2 alone has to meet what is left, and each axis in it."""
    for unit in ("a.0", "b.0"):
        masks.frames[unit].fill_(1.0)
    first = next(iter(net.structure.branches))
    never = OTHER + A + B
    R = np.array([1.0, never / DENSE])
    share = (0.4 * DENSE - never) / (C + D)
    kept = {"frames": 1.0, "channels": 1.0, "features": 0.5}  # of branch 2, tiles of clip 1 closed
    over = sum(max(0.0, k - (1 - 0.5 * 0.6)) ** 2 for k in kept.values())
    budget = Budget(0.4, slack=(0.0, 0.0), anneal=0.0, axis_share=0.5)
    found = budget.loss(net.structure, masks, 1.0, opened=[first])[0].item()
    expected = (R.mean() - 0.4) ** 2 + (0.5 - share) ** 2 + over
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_an_open_branch_raises_what_can_be_met(net):
    first = next(iter(net.structure.branches))
    floor = (OTHER + A + B) / DENSE
    Budget(floor + 0.001).check(net.structure, 0, [first])
    with pytest.raises(DanceError, match=rf"{floor:.3f} of the MACs are never pruned"):
        Budget(floor).check(net.structure, 0, [first])


# ------------------------------------------------------------------ axes
# Half of clip 0's frames are closed in branch 1, all of clip 1's tiles in branch 2.
KEPT = {
    "frames": (0.75 * (A + B) + C + D) / (A + B + C + D),
    "channels": 1.0,
    "features": (A + B + 0.5 * (C + D)) / (A + B + C + D),
}


@pytest.mark.parametrize(
    ("share", "axes", "too_many"),  # kept are 0.83, 1 and 0.84, against 1 − 0.6 · share
    [
        (0.5, ("frames", "channels", "features"), ("frames", "channels", "features")),
        (0.5, ("frames",), ("frames",)),
        (0.5, ("channels", "features"), ("channels", "features")),
        (1 / 6, ("frames", "channels", "features"), ("channels",)),
        (1 / 6, ("frames", "features"), ()),
        (0.0, ("frames", "channels", "features"), ()),
    ],
)
def test_each_pruned_axis_has_to_drop_its_share(net, masks, share, axes, too_many):
    budget = Budget(0.4, slack=(0.0, 0.0), anneal=0.0, axis_share=share)
    found = budget.loss(net.structure, masks, 1.0, axes=axes)[0].item()
    added = sum((KEPT[axis] - (1 - 0.6 * share)) ** 2 for axis in too_many)
    np.testing.assert_allclose(found, by_hand(0.4, 0.0)[0] + added, rtol=1e-9)


def test_all_axes_count_where_none_are_named(net, masks):
    budget = Budget(0.4, axis_share=0.5)
    named = budget.loss(net.structure, masks, 1.0, axes=("frames", "channels", "features"))[0]
    assert budget.loss(net.structure, masks, 1.0)[0] == named


def test_the_share_of_an_axis_is_annealed_with_the_budget(net, masks):
    """Half-way down from 1 to 0.4 the bound is 1 − 0.5 · 0.3; at the start nobody has to drop."""
    budget = Budget(0.4, slack=(0.0, 0.0), anneal=0.5, axis_share=0.5)
    found = budget.loss(net.structure, masks, 0.25)[0].item()
    added = (KEPT["channels"] - 0.85) ** 2  # frames and tiles are below it
    np.testing.assert_allclose(found, by_hand(0.7, 0.0)[0] + added, rtol=1e-9)
    found = budget.loss(net.structure, masks, 0.0)[0].item()
    np.testing.assert_allclose(found, by_hand(1.0, 0.0)[0], rtol=1e-9)
