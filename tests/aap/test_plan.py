"""`PruningPlan`: exact rates, its rules by loops, and what people do with plans."""

import copy
import dataclasses
import pickle
from math import floor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dance_lib import Dance, PruningPlan
from dance_lib.aap import Masks
from dance_lib.executors.masked import Masked, Recorded
from tests.networks import CLIP, FAMILIES, Strided, TwoBlocks, randomise
from tests.plans import by_unit


@pytest.fixture(scope="module")
def nets():
    return {
        name: Dance(randomise(FAMILIES[name]()), CLIP).eval()
        for name in ("r2plus1d", "s3d", "csn", "x3d", "pre-activation")
    }


def same(first, second):
    return first.units == second.units and all(
        torch.equal(getattr(first, axis)[unit], getattr(second, axis)[unit])
        for axis in ("frames", "channels", "features")
        for unit in first.units
    )


def cell(h, size, cells):
    """Rule 6: ⌊h·G/H⌋; where H < G each position is a tile."""
    return floor(h * cells / size) if size > cells else h


# ------------------------------------------------------------------ random plans
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.625, 0.99, 1.0])
def test_random_keeps_exact_counts_half_up_and_at_least_one(nets, rate):
    net = nets["r2plus1d"]
    plan = PruningPlan.random(net, 4, frames=rate, channels=rate, features=rate, seed=3)
    for branch in net.structure.branches.values():
        T, H, W = branch.size
        last = branch.units[-1]
        assert (plan.frames[last].sum(1) == max(1, floor(rate * T + 0.5))).all()
        G_h, G_w = min(7, H), min(7, W)
        for kept in plan.features[last]:
            tiles = {(cell(h, H, G_h), cell(w, W, G_w)) for h, w in kept.nonzero().tolist()}
            assert len(tiles) == max(1, floor(rate * G_h * G_w + 0.5))
    for name, unit in net.structure.units.items():
        groups = -(-unit.out_shape[0] // 8)
        for kept in plan.channels[name]:
            opened = {c // 8 for c in kept.nonzero().flatten().tolist()}
            assert len(opened) == max(1, floor(rate * groups + 0.5))
            assert all(kept[c] == (c // 8 in opened) for c in range(len(kept)))  # whole groups


def test_half_is_rounded_up():
    """5 frames at 0.5 are 3, not the 2 of rounding to even."""
    net = Dance(TwoBlocks(), (3, 5, 8, 8))
    plan = PruningPlan.random(net, 2, frames=0.5)
    assert plan.frames["b.0"].sum(1).tolist() == [3, 3]
    assert all(m.all() for m in (*plan.channels.values(), *plan.features.values()))


def test_random_depends_on_the_seed_alone(nets):
    net = nets["x3d"]
    rates = {"frames": 0.5, "channels": 0.5, "features": 0.5}
    first = PruningPlan.random(net, 3, **rates, seed=7)
    torch.manual_seed(99)
    assert same(first, PruningPlan.random(net, 3, **rates, seed=7))
    assert not same(first, PruningPlan.random(net, 3, **rates, seed=8))
    state = torch.get_rng_state()
    PruningPlan.random(net, 3, **rates)
    assert torch.equal(torch.get_rng_state(), state)
    plan = first.frames[first.units[0]]
    assert any(not torch.equal(plan[0], kept) for kept in plan) or len(plan[0]) == 1


def test_a_full_plan_keeps_everything(nets):
    for net in nets.values():
        plan = PruningPlan.full(net, 2)
        plan.check(net.structure)
        for name, unit in net.structure.units.items():
            assert plan.mask(name).shape == (2, *unit.out_shape)
            assert plan.mask(name).all()
    assert len(PruningPlan.full(nets["s3d"])) == 1


# ------------------------------------------------------------------ rules 5 to 7
def test_rule_5_and_6_by_loops(nets):
    """One decision a branch; a unit before the stride of 2 keeps t where ⌊t/2⌋ is kept."""
    net = nets["r2plus1d"]
    plan = PruningPlan.random(net, 2, frames=0.5, features=0.5, seed=5)
    structure = net.structure
    checked = set()
    for branch in structure.branches.values():
        last = branch.units[-1]
        T, H = branch.size[:2]
        for name in branch.units:
            _, T_u, H_u, W_u = structure.units[name].out_shape
            # The only strides of R(2+1)D: space in the first convolution, time in the second.
            s_t, s_h = 1 + (T_u != T), 1 + (H_u != H)
            checked.add((s_t, s_h))
            for n in range(2):
                for t in range(T_u):
                    assert plan.frames[name][n, t] == plan.frames[last][n, t // s_t]
                for h in range(H_u):
                    for w in range(W_u):
                        parent = plan.features[last][n, h // s_h, w // s_h]
                        assert plan.features[name][n, h, w] == parent
    # Unit 1 of a strided block strides over space at once, so only time is still to come.
    assert checked == {(1, 1), (2, 1)}


@pytest.mark.parametrize("size", [(14, 14), (13, 9), (7, 5), (3, 8), (1, 1), (20, 2)])
def test_rule_6_tiles_are_cells_of_a_grid(size):
    net = Dance(Strided(torch.nn.Conv3d(8, 8, 3, padding=1)), (3, 2, *size))
    (branch,) = net.structure.branches.values()
    H, W = size
    G_h, G_w = branch.grid
    assert branch.grid == (min(7, H), min(7, W))
    tiles = torch.rand(3, G_h, G_w, generator=torch.Generator().manual_seed(0)) < 0.5
    tiles[:, 0, 0] = True
    plan = PruningPlan.from_decisions(
        net.structure,
        frames={branch.name: torch.ones(3, 2, dtype=torch.bool)},
        tiles={branch.name: tiles},
        channels={branch.units[0]: torch.ones(3, 1, dtype=torch.bool)},
    )
    kept = plan.features[branch.units[0]]
    for n in range(3):
        for h in range(H):
            for w in range(W):
                assert kept[n, h, w] == tiles[n, cell(h, H, G_h), cell(w, W, G_w)]


@pytest.mark.parametrize("axis", ["frames", "tiles"])
def test_rule_7_all_closed_drops_the_branch(nets, axis):
    """False on every unit and axis of the branch, for that clip alone."""
    structure = nets["x3d"].structure
    decisions = {
        "frames": {b.name: torch.ones(2, b.size[0]) for b in structure.branches.values()},
        "tiles": {b.name: torch.ones(2, *b.grid) for b in structure.branches.values()},
        "channels": {u: torch.ones(2, structure.groups(u)) for u in structure.channel_owners},
    }
    dropped = list(structure.branches.values())[1]
    decisions[axis][dropped.name][1] = 0.0
    plan = PruningPlan.from_decisions(structure, **decisions)
    plan.check(structure)
    for name in structure.units:
        for kept in (plan.frames, plan.channels, plan.features):
            assert kept[name][0].all()
            assert kept[name][1].all() == (name not in dropped.units)
            assert kept[name][1].any() == (name not in dropped.units)


# ------------------------------------------------------------------ drawn by hypothesis
@given(seed=st.integers(0, 10_000), batch=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_the_mask_is_the_product_of_its_axes(nets, seed, batch):
    net = nets["csn"]
    plan = by_unit(net, batch, seed)
    for name, unit in net.structure.units.items():
        mask = plan.mask(name)
        assert mask.dtype == torch.bool
        assert mask.shape == (batch, *unit.out_shape)
        product = (
            plan.channels[name][:, :, None, None, None].long()
            * plan.frames[name][:, None, :, None, None].long()
            * plan.features[name][:, None, None].long()
        )
        assert torch.equal(mask.long(), product)
        positions = plan.frames[name][:, :, None, None] & plan.features[name][:, None]
        assert torch.equal(plan.positions(name), positions)


@given(
    seed=st.integers(0, 10_000),
    rates=st.tuples(*[st.floats(0.01, 1.0)] * 3),
    family=st.sampled_from(["r2plus1d", "s3d", "x3d", "pre-activation"]),
)
@settings(max_examples=12, deadline=None)
def test_masked_outputs_are_zero_exactly_where_the_mask_is(nets, seed, rates, family):
    """Any plan passes `check`, and what the next layer reads is M ⊙ y."""
    net = nets[family]
    frames, channels, features = rates
    plan = PruningPlan.random(
        net, 2, frames=frames, channels=channels, features=features, seed=seed
    )
    plan.check(net.structure)
    raw, masked = {}, {}

    class Watched(Masked):
        def unit(self, name, output):
            masked[name] = super().unit(name, output)
            return masked[name]

    with torch.no_grad():
        net.body(net.stem(torch.rand(2, *CLIP)), Recorded(raw.__setitem__, Watched(plan)))
    for name in plan.units:
        mask = plan.mask(name)
        assert not masked[name][~mask].any()
        assert torch.equal(masked[name][mask], raw[name][mask])


# ------------------------------------------------------------------ an immutable object
def test_a_plan_can_not_be_changed(nets):
    plan = PruningPlan.full(nets["s3d"])
    unit = plan.units[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.frames = {}
    for axis in ("frames", "channels", "features"):
        with pytest.raises(TypeError, match="does not support item assignment"):
            getattr(plan, axis)[unit] = torch.zeros(1)
        with pytest.raises(TypeError, match="does not support item deletion"):
            del getattr(plan, axis)[unit]


def test_it_does_not_follow_the_mappings_it_was_made_of(nets):
    full = PruningPlan.full(nets["s3d"])
    entries = {a: dict(getattr(full, a)) for a in ("frames", "channels", "features")}
    plan = PruningPlan(**entries)
    entries["frames"].clear()
    assert plan.units == full.units
    assert isinstance(plan, Masks)


def test_indexing_shuffling_joining(nets):
    net = nets["csn"]
    plan = by_unit(net, 4, seed=1)
    assert len(plan) == 4
    order = torch.tensor([2, 0, 3, 1])
    for index, clips in [
        (2, [2]), (-1, [3]), (slice(1, 3), [1, 2]), ([3, 0], [3, 0]), ((0, 2), [0, 2]),
        (order, order.tolist()), (torch.tensor([True, False, False, True]), [0, 3]),
    ]:  # fmt: skip
        picked = plan[index]
        assert isinstance(picked, PruningPlan)
        for unit in plan.units:
            assert torch.equal(picked.frames[unit], plan.frames[unit][clips])
            assert torch.equal(picked.channels[unit], plan.channels[unit][clips])
            assert torch.equal(picked.features[unit], plan.features[unit][clips])
    assert same(PruningPlan.cat([plan[:1], plan[1:]]), plan)
    assert same(plan[order][order.argsort()], plan)
    assert sum(len(p) for p in plan) == 4  # iterating gives a plan a clip
    with pytest.raises(IndexError):
        plan[4]


def test_a_plan_travels(nets):
    """To another process, to a copy, to a device."""
    plan = by_unit(nets["csn"], 2, seed=1)
    assert same(pickle.loads(pickle.dumps(plan)), plan)
    assert same(copy.deepcopy(plan), plan)
    assert same(plan.to("cpu"), plan)


def test_its_text_says_how_much_is_kept():
    plan = PruningPlan.random(Dance(TwoBlocks(), TwoBlocks.clip), 3, frames=0.5)
    assert repr(plan) == (
        "PruningPlan(3 clips, 4 units; kept: frames 0.50, channels 1.00, features 1.00)"
    )
