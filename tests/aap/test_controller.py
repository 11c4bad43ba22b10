"""The controller: what it decides, what spread gates mean, and that it is small."""

import pytest
import torch
from torch import nn

from dance_lib import Dance, PlanError, create_model
from dance_lib.aap import AXES, Controller, stem_statistics
from dance_lib.aap.plan import spread
from dance_lib.models import find_structure
from tests.networks import CLIP, FAMILIES, TwoBlocks, randomise, undecided


def opinionated(net, seed=0, bias=0.0):
    """Random heads without a prior, so that about half of all gates close."""
    torch.manual_seed(seed)
    return undecided(net, std=3.0, bias=bias).eval()


def clips(n, shape=CLIP):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", FAMILIES)
def test_gates_start_open(family):
    """All of them, but for the prior; with it, most, and more where more moves."""
    net = Dance(randomise(FAMILIES[family]()), CLIP).eval()
    with torch.no_grad():
        statistics = net.statistics(net.stem(clips(3)))
        logits = net.controller(statistics)
        rates = [(z > 0).float().mean() for z in (*logits.frames.values(), *logits.tiles.values())]
        assert sum(rates) / len(rates) > 0.75
        nn.init.zeros_(net.controller.frame_prior)
        nn.init.zeros_(net.controller.tile_prior)
        plan = net.controller.plan(statistics)
    assert all(getattr(plan, axis)[u].all() for axis in AXES for u in plan.units)


@pytest.mark.parametrize("family", ["r2plus1d", "s3d", "csn", "x3d", "pre-activation"])
@pytest.mark.parametrize("bias", [0.0, -2.0])
def test_spread_gates_equal_the_plan(family, bias):
    """Training's masks and evaluation's plan keep the same values, dropped branches included."""
    net = opinionated(Dance(randomise(FAMILIES[family]()), CLIP), bias=bias)
    with torch.no_grad():
        stem_output = net.stem(clips(4))
        masks, plan = net.decide(stem_output), net.plan(clips(4))
    plan.check(net.structure)
    kept = 0
    for unit in plan.units:
        # A dropped branch is False on every axis of the plan; its gates' product is zero as well.
        assert torch.equal(masks.mask(unit), plan.mask(unit).float())
        kept += plan.mask(unit).float().mean().item() / len(plan.units)
    assert 0.0 < kept < 0.9


@pytest.mark.parametrize("family", ["s3d", "c3d"])
def test_rule_7_plain_networks_keep_best_frame_tile_and_group(family):
    """With all logits negative, exactly the largest of each set is kept."""
    net = opinionated(Dance(randomise(FAMILIES[family]()), CLIP), bias=-1e4)
    with torch.no_grad():
        statistics = net.statistics(net.stem(clips(3)))
        logits, gates = net.controller(statistics), net.controller.gates(statistics)
    for before, after in zip(
        (logits.frames, logits.tiles, logits.channels), (gates.frames, gates.tiles, gates.channels),
        strict=True,
    ):  # fmt: skip
        for name, z in before.items():
            best = z.flatten(1).argmax(1)
            assert after[name].flatten(1).nonzero().tolist() == [[n, b] for n, b in enumerate(best)]


def test_rule_7_residual_networks_drop_branches_but_no_unit_loses_all_groups():
    net = opinionated(Dance(randomise(FAMILIES["r3d"]()), CLIP), bias=-1e4)
    with torch.no_grad():
        gates = net.controller.gates(net.statistics(net.stem(clips(3))))
    assert not any(g.any() for g in (*gates.frames.values(), *gates.tiles.values()))
    assert all((g.sum(1) == 1).all() for g in gates.channels.values())
    plan = net.plan(clips(3))
    assert not any(getattr(plan, axis)[u].any() for axis in AXES for u in plan.units)


@pytest.mark.parametrize("axes", [("frames",), ("channels",), ("features", "frames")])
def test_axes_that_are_not_pruned_stay_open(axes):
    net = opinionated(Dance(randomise(FAMILIES["r2plus1d"]()), CLIP, axes=axes), bias=-1.0)
    assert net.controller.axes == tuple(a for a in AXES if a in axes)
    masks = net.decide(net.stem(clips(2)))
    for axis in AXES:
        closed = any((m == 0).any() for m in getattr(masks, axis).values())
        assert closed == (axis in axes)


@pytest.mark.parametrize("axes", [(), ("time",), ("frames", "tiles")])
def test_unknown_axes(axes):
    structure = find_structure(TwoBlocks(), TwoBlocks.clip)
    with pytest.raises(PlanError, match="axes must be some of frames, channels, features, not"):
        Controller(structure, axes)


# ------------------------------------------------------------------ the prior
def motion_alone(prior=1.0):
    """A controller of `TwoBlocks` whose logits are motion times the prior, and nothing else.

    In training, so it holds clips against those of their own batch.
    """
    structure = find_structure(TwoBlocks(), TwoBlocks.clip, grid=4)
    controller = Controller(structure, grid=4, prior=prior, open_bias=0.0)
    for head in controller.logit_heads():
        nn.init.zeros_(head.weight)
    return controller


def moving(*clips):
    """Statistics of maps (N, 8, T, 8, 8) that rise by given steps in tile (3, 1) of 4 × 4."""
    steps = torch.tensor(clips)  # (N, T - 1)
    maps = torch.zeros(len(steps), 8, steps.shape[1] + 1, 8, 8)
    maps[:, :, 1:, 6:8, 2:4] = steps.cumsum(1)[:, None, :, None, None]
    return stem_statistics(maps, grid=4)


@torch.no_grad()
def test_what_moves_least_is_closed_first():
    logits = motion_alone()(moving((0.0, 0.01, 0.1)))
    (first, four), (second, two) = logits.frames.items()
    busier = four[0]  # of each frame's two sides: 0, 0.01, 0.1, 0.1
    assert busier[0] < busier[1] < busier[2]
    assert busier[2] == busier[3]
    torch.testing.assert_close(two[0], busier.reshape(2, 2).mean(1))
    for branch in (first, second):
        tiles = logits.tiles[branch][0]
        assert tiles.argmax() == 4 * 3 + 1
        assert (tiles.flatten() == tiles[0, 0]).sum() == 15  # nothing moves elsewhere
    assert all((z == 0).all() for z in logits.channels.values())  # no place, so no prior


@torch.no_grad()
def test_a_clip_in_which_more_moves_keeps_more():
    logits = motion_alone()(moving((0.0, 0.01, 0.01), (0.0, 0.1, 0.1)))
    for entries in (logits.frames, logits.tiles):
        for z in entries.values():
            assert z[1].mean() > z[0].mean() + 0.1


@torch.no_grad()
@pytest.mark.parametrize("prior", [0.0, 3.0])
def test_the_prior_is_the_first_weight_of_motion(prior):
    statistics = moving((0.0, 0.01, 0.1))
    weighted, unit = motion_alone(prior)(statistics), motion_alone()(statistics)
    for axis in ("frames", "tiles"):
        for branch, z in getattr(unit, axis).items():
            torch.testing.assert_close(getattr(weighted, axis)[branch], prior * z)
            assert z.std() > 0.1


# ------------------------------------------------------------------ what it reads, what it spares
def test_it_reads_maps_of_another_shape():
    """Five channels of 3 × 2 × 2 instead of the stem's eight of 4 × 8 × 8; heads of 16."""
    structure = find_structure(TwoBlocks(), TwoBlocks.clip)
    controller = Controller(structure, grid=4, reads=(5, 3, 2, 2)).eval()
    maps = torch.rand(2, 5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    plan = controller.plan(stem_statistics(maps, grid=4))
    plan.check(structure)
    assert len(plan) == 2
    with torch.no_grad():
        logits = controller(stem_statistics(maps, grid=4))
    for branch in structure.branches.values():  # brought to the size that is decided about
        assert logits.frames[branch.name].shape == (2, branch.size[0])
        assert logits.tiles[branch.name].shape == (2, *branch.grid)
    # Context of 4 statistics a channel; frames: 8 to 16 by 5, context, two branches, at 3 frames;
    # tiles: 6 to 16 by 3 × 3, context, two branches, at 2 × 2 places; 2 + 1 + 3 + 2 groups.
    weights = (20 * 16, 8 * 16 * 5, 16 * 16, 16 * 2, 6 * 16 * 9, 16 * 16, 16 * 2, 16 * 8)
    by_hand = sum(w * n for w, n in zip(weights, (1, 3, 1, 3, 4, 1, 4, 1), strict=True))
    assert controller.macs == by_hand
    biases = 16 + 16 + 2 + 16 + 2 + 8
    assert controller.values_touched == 5 * 3 * 2 * 2 + sum(weights) + biases + 2 + 2  # priors
    default = Controller(structure, grid=4)
    assert default.reads == (8, 4, 8, 8)
    # 12 statistics more, one frame more, twelve tiles more.
    assert default.macs - by_hand == 12 * 16 + (640 + 32) + 12 * (864 + 32)


@pytest.mark.parametrize("noise", [0.0, 50.0])
def test_opened_branches_are_never_pruned(noise):
    structure = find_structure(TwoBlocks(), TwoBlocks.clip)
    first, second = structure.branches
    torch.manual_seed(0)
    controller = Controller(structure, opened=[first], open_bias=-1e4 if not noise else 0.0).eval()
    statistics = stem_statistics(torch.rand(3, 8, 4, 8, 8))
    with torch.no_grad():
        gates = controller.gates(statistics, noise=noise)
    assert gates.frames[first].all()
    assert gates.tiles[first].all()
    assert all(gates.channels[u].all() for u in structure.branches[first].units)
    assert not gates.frames[second].all()
    assert not gates.tiles[second].all()
    assert not all(gates.channels[u].all() for u in structure.branches[second].units)
    if not noise:
        plan = controller.plan(statistics)
        for unit in structure.units.values():
            for axis in AXES:
                kept = getattr(plan, axis)[unit.name]
                assert kept.all() if unit.branch == first else not kept.any()


def test_opened_branches_ask_for_no_gradient():
    structure = find_structure(TwoBlocks(), TwoBlocks.clip)
    first, _ = structure.branches
    controller = Controller(structure, ("frames",), opened=[first])
    gates = controller.gates(stem_statistics(torch.rand(3, 8, 4, 8, 8)))
    assert not gates.frames[first].requires_grad
    assert all(g.requires_grad for b, g in gates.frames.items() if b != first)


def test_spread_carries_gradients_from_every_unit_to_the_decision():
    """A frame gate is read by all units of its branch, at each of their own resolutions."""
    structure = find_structure(FAMILIES["r2plus1d"](), CLIP)
    branch = structure.branches["layer2.0"]
    frames = {b.name: torch.ones(1, b.size[0]) for b in structure.branches.values()}
    tiles = {b.name: torch.ones(1, *b.grid) for b in structure.branches.values()}
    channels = {u: torch.ones(1, structure.groups(u)) for u in structure.channel_owners}
    for entries in (frames, tiles):
        entries[branch.name].requires_grad_()
    channels[branch.units[0]].requires_grad_()
    masks = spread(structure, frames=frames, tiles=tiles, channels=channels)
    sum(m.sum() for axis in AXES for m in getattr(masks, axis).values()).backward()
    maps = [structure.units[u].out_shape for u in branch.units]
    assert frames[branch.name].grad.sum() == sum(T for _, T, _, _ in maps)
    assert tiles[branch.name].grad.sum() == sum(H * W for _, _, H, W in maps)
    # Groups of 8, the last one smaller.
    C = maps[0][0]
    expected = [float(min(8, C - i)) for i in range(0, C, 8)]
    assert channels[branch.units[0]].grad[0].tolist() == expected


def test_noise_explores_only_where_it_is_asked_for():
    net = opinionated(Dance(randomise(FAMILIES["narrow"]()), CLIP))
    stem_output = net.stem(clips(4)).detach()

    def gates(**kw):
        torch.manual_seed(kw.pop("seed"))
        return torch.cat([m.flatten() for m in net.decide(stem_output, **kw).frames.values()])

    assert torch.equal(gates(seed=0), gates(seed=1))
    assert not torch.equal(gates(seed=0, noise=5.0), gates(seed=1, noise=5.0))


def test_one_clip_alone_can_be_trained_on():
    """The last batch of an epoch may hold one clip, whose statistics have no variance."""
    net = Dance(randomise(FAMILIES["r3d"]()), CLIP).train()
    net(clips(1)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.controller.parameters())


def test_plan_leaves_modes_and_statistics_as_they_were():
    """Called in the middle of training, with a frozen part, it changes nothing."""
    net = Dance(randomise(FAMILIES["narrow"]()), CLIP)
    net.eval()
    net.controller.train()
    modes = [m.training for m in net.modules()]
    state = {n: t.clone() for n, t in net.state_dict().items()}
    plan = net.plan(clips(2))
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(t, state[n]) for n, t in net.state_dict().items())
    net.train()
    assert all(torch.equal(a, b) for a, b in zip(plan.frames.values(),
               net.plan(clips(2)).frames.values(), strict=True))  # fmt: skip


def test_it_costs_at_most_a_thousandth_of_the_default_network():
    """At most 0.1 % of the backbone's MACs on r2plus1d_narrow."""
    shape = (3, 16, 56, 56)
    net = Dance(create_model("r2plus1d_narrow", 10, shape), shape)
    assert 0 < net.controller.macs <= 0.001 * net.structure.dense_macs


def test_a_still_clip_in_half_precision():
    """Nothing moves more than the rest of its clip: 0, not 0 / 0."""
    controller = Dance(TwoBlocks(), TwoBlocks.clip).controller.half()
    with torch.no_grad():
        inputs, motion = controller._standardised("frames", torch.zeros(2, 4, 4).half())
    assert inputs.isfinite().all()
    assert motion.isfinite().all()
    assert (inputs[:, 4:] == 0).all()
