"""AVA's three readings by hand in numpy, and the guards that keep them from running away."""

import math

import numpy as np
import pytest
import torch

from dance_lib import Dance, DanceError
from dance_lib.ava import AVALoss, interaction, part_means, variability
from dance_lib.executors.masked import Recorded
from tests.networks import TwoBlocks, randomise

PARTS = (8, (2, 2))  # channel-group size, tile grid
VARIANTS = ("raw", "cv", "interaction")


@pytest.fixture(scope="module")
def structure():
    return Dance(TwoBlocks(), TwoBlocks.clip).structure


def outputs_of(structure, clips=16, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(clips, *unit.out_shape, generator=generator).clamp(min=0) * scale
        for name, unit in structure.units.items()
    }


def shares(structure):
    """MACs of TwoBlocks' units, over their sum."""
    macs = {
        "a.0": 256 * 8 * 16 * 9,
        "b.0": 256 * 16 * 8 * 3,
        "c.0": 32 * 8 * 24 * 27,
        "d": 32 * 384,
    }
    return {name: m / sum(macs.values()) for name, m in macs.items()}


def two_way(m):
    """Variance of what neither clip nor part explains, by loops: the interaction of a table."""
    table = np.log(m + 0.05 * m.mean() + 1e-6)
    N, P = table.shape
    left = np.zeros_like(table)
    for n in range(N):
        for p in range(P):
            clip_effect = table[n].mean() - table.mean()
            importance = table[:, p].mean() - table.mean()
            left[n, p] = table[n, p] - table.mean() - clip_effect - importance
    return (left**2).mean()


def by_hand(a, variant, grid):
    """How much magnitudes (N, C, T, H, W) vary; `grid` divides H and W."""
    a = np.abs(a.numpy().astype(np.float64))
    if variant == "raw":
        return a.var()
    if variant == "cv":
        return math.log(1 + a.var() / (a.mean() ** 2 + 1e-6))
    C, _, H, W = a.shape[1:]
    frames = a.mean((1, 3, 4))
    groups = np.stack([a[:, c : c + 8].mean((1, 2, 3, 4)) for c in range(0, C, 8)], 1)
    h, w = H // grid[0], W // grid[1]
    tiles = np.stack(
        [
            a[:, :, :, i * h : (i + 1) * h, j * w : (j + 1) * w].mean((1, 2, 3, 4))
            for i, j in np.ndindex(*grid)
        ],
        1,
    )
    return np.mean([two_way(m) for m in (frames, groups, tiles)])


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_reading_by_hand(variant):
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(16, 20, 3, 4, 6, generator=generator).abs()
    output *= torch.rand(16, 1, 3, 1, 1, generator=generator) * 3
    found = variability(output, variant, PARTS)
    np.testing.assert_allclose(found.item(), by_hand(output, variant, (2, 2)), rtol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_is_minus_the_mac_weighted_sum(structure, variant):
    """Signs do not count: the magnitude of a negative output is that of a positive one."""
    outputs = outputs_of(structure)
    outputs["d"] = -outputs["d"]
    loss = AVALoss(structure, variant)(outputs)
    # Blocks 1 and 2 decide tiles on 7 × 7 and 4 × 4 grids; only the latter divides its maps.
    if variant == "interaction":
        grids = dict.fromkeys(outputs, (4, 4))
        loss = AVALoss(Dance(TwoBlocks(), TwoBlocks.clip, grid=4).structure, variant)(outputs)
    else:
        grids = dict.fromkeys(outputs)
    share = shares(structure)
    expected = -sum(share[n] * min(3.0, by_hand(o, variant, grids[n])) for n, o in outputs.items())
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-4)


def test_none_asks_for_nothing(structure):
    loss = AVALoss(structure, "none")(outputs_of(structure, clips=2))
    assert loss.item() == 0.0
    assert loss.dtype == torch.float32


def test_scaling_games_raw_and_not_cv(structure):
    """The next norm absorbs a unit's scale, so a reading that rewards it rewards nothing."""
    once, twice = outputs_of(structure), outputs_of(structure, scale=2.0)
    raw, cv = AVALoss(structure, "raw", cap=100.0), AVALoss(structure, "cv")
    np.testing.assert_allclose(raw(twice).item(), 4 * raw(once).item(), rtol=1e-5)
    np.testing.assert_allclose(cv(twice).item(), cv(once).item(), rtol=1e-4)
    by_part = AVALoss(structure, "interaction")
    np.testing.assert_allclose(by_part(twice).item(), by_part(once).item(), rtol=1e-3)


def test_interaction_sees_neither_loud_clips_nor_important_parts():
    """Clips that differ as a whole, or parts that always matter: nothing to decide per clip."""
    loud = torch.arange(1.0, 17)[:, None].expand(16, 5)
    important = torch.arange(1.0, 6).expand(16, 5)
    for means in (loud, important):
        assert interaction(means).abs().max() < 1e-5
    each_its_own = torch.eye(16)
    assert interaction(each_its_own).var() > 0.5


def test_interaction_parts():
    """(N, T) frames, (N, ⌈C/8⌉) groups with a smaller last one, (N, tiles)."""
    output = torch.rand(2, 11, 3, 4, 4)
    frames, groups, tiles = part_means(output, 8, (2, 2))
    assert (frames.shape, groups.shape, tiles.shape) == ((2, 3), (2, 2), (2, 4))
    torch.testing.assert_close(frames[1, 2], output[1, :, 2].mean())
    torch.testing.assert_close(groups[1, 1], output[1, 8:].mean())
    torch.testing.assert_close(tiles[1, 2], output[1, :, :, 2:, :2].mean())
    assert part_means(output, 8, (7, 7))[2].shape == (2, 16)  # a position a tile


@pytest.mark.parametrize("clips", [1, 2, 15])
def test_interaction_needs_sixteen_clips(structure, clips):
    message = f"AVA 'interaction' needs at least 16 clips, not {clips}"
    with pytest.raises(DanceError, match=message):
        AVALoss(structure, "interaction")(outputs_of(structure, clips=clips))
    AVALoss(structure, "cv")(outputs_of(structure, clips=clips))


def test_unknown_variants(structure):
    with pytest.raises(DanceError, match="unknown AVA variant 'CV'; known: none, raw, cv, inter"):
        AVALoss(structure, "CV")


@pytest.mark.parametrize("variant", ["raw", "cv"])
def test_beyond_the_cap_nothing_is_earned(structure, variant):
    """One unit far beyond κ: it counts as κ and gets no gradient; the others go on."""
    outputs = outputs_of(structure)
    outputs["c.0"] = torch.zeros_like(outputs["c.0"])
    outputs["c.0"].view(-1)[::11] = 100.0
    for output in outputs.values():
        output.requires_grad_()
    assert by_hand(outputs["c.0"].detach(), variant, None) > 0.5
    loss = AVALoss(structure, variant, cap=0.5)(outputs)
    loss.backward()
    share = shares(structure)
    expected = -sum(
        share[n] * min(0.5, by_hand(o.detach(), variant, None)) for n, o in outputs.items()
    )
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-4)
    assert not outputs["c.0"].grad.any()


def test_below_the_floor_of_activity_a_unit_is_penalised():
    """Variability grows without end as fewer activations stay alive; the floor outbids the cap."""
    structure = Dance(TwoBlocks(), TwoBlocks.clip).structure

    def loss_of(rate, floor):
        outputs = outputs_of(structure)
        dying = torch.zeros(outputs["a.0"].numel())
        dying[: round(rate * len(dying))] = 1.0
        outputs["a.0"] = dying.view_as(outputs["a.0"])
        return AVALoss(structure, "cv", floor=floor)(outputs).item()

    share = shares(structure)["a.0"]
    assert loss_of(0.10, 0.05) == loss_of(0.10, 0.0)  # above the floor: no penalty
    # Equal activations at a rate of 1 %: a/E[a] = 100, tanh 1, so the stand-in is the rate.
    penalty = loss_of(0.01, 0.05) - loss_of(0.01, 0.0)
    np.testing.assert_allclose(penalty, share * (0.05 - 0.01) / 0.05, rtol=1e-3)
    penalty = loss_of(0.0, 0.05) - loss_of(0.0, 0.0)
    np.testing.assert_allclose(penalty, share, rtol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_statistics_are_taken_in_float32(structure, variant, dtype):
    outputs = {n: o.to(dtype) for n, o in outputs_of(structure).items()}
    loss = AVALoss(structure, variant)(outputs)
    assert loss.dtype == torch.float32
    again = AVALoss(structure, variant)({n: o.float() for n, o in outputs.items()})
    assert torch.equal(loss, again)


@pytest.mark.parametrize("variant", VARIANTS)
def test_silent_units_give_finite_gradients(structure, variant):
    outputs = {n: torch.zeros_like(o).requires_grad_() for n, o in outputs_of(structure).items()}
    AVALoss(structure, variant)(outputs).backward()
    assert all(torch.isfinite(o.grad).all() for o in outputs.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_down_its_gradient_raises_variability(variant):
    """On a real network, through what training records: unmasked outputs of all units."""
    net = Dance(randomise(TwoBlocks()), TwoBlocks.clip, grid=4).train()
    clip = torch.rand(16, *TwoBlocks.clip, generator=torch.Generator().manual_seed(0))
    ava = AVALoss(net.structure, variant, cap=100.0)

    def loss():
        recorded = {}
        net.body(net.stem(clip), Recorded(recorded.__setitem__))
        assert list(recorded) == list(net.structure.units)
        return ava(recorded)

    before = loss()
    before.backward()
    with torch.no_grad():
        for parameter in net.backbone.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
    assert loss() < before
