"""The executor for GPUs on every family, in Triton's interpreter, against the masked one."""

from functools import cache

import pytest
import torch

import dance_lib as dance
from dance_lib import Dance, DanceError, PlanError, PruningPlan
from dance_lib.aap.masks import Masks
from dance_lib.executors.cuda import executor as module
from dance_lib.executors.cuda.executor import SparseCuda
from dance_lib.executors.cuda.visitor import Skipping
from tests.executors.agreement import changed, clips
from tests.executors.cuda.agreement import check, executor_of, family, fast, plan_of_each_kind
from tests.networks import FAMILIES, TwoBlocks, randomise, undecided
from tests.plans import by_unit

QUICK = ("narrow", "x3d")
HALF, WHOLE = torch.float16, torch.float32
slow = pytest.mark.slow
EACH = [pytest.param(name, marks=() if name in QUICK else slow) for name in FAMILIES]


@cache
def small(dtype):
    """Two residual blocks, and their executor; nobody may change them."""
    net = Dance(randomise(TwoBlocks()), TwoBlocks.clip).eval()
    return net, executor_of(net, dtype)


@pytest.mark.parametrize("dtype", [HALF, pytest.param(WHOLE, marks=slow)], ids=str)
@pytest.mark.parametrize("name", EACH)
def test_every_family(name, dtype):
    """Four clips in one batch, each by a plan of its own; one without a branch."""
    net = family(name)
    check(fast(name, dtype), net, plan_of_each_kind(net))


def test_bfloat16():
    net, executor = small(torch.bfloat16)
    check(executor, net, plan_of_each_kind(net))


@slow
@pytest.mark.parametrize("name", ["narrow", "r2plus1d", "r3d", "c3d", "slow"])
def test_bfloat16_on_families(name):
    check(fast(name, torch.bfloat16), family(name), plan_of_each_kind(family(name)))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", [pytest.param(n, marks=slow) for n in ("narrow", "slow", "s3d")])
def test_networks_in_many_small_tiles(name):
    net = family(name)
    check(executor_of(net, HALF), net, plan_of_each_kind(net))


def test_units_that_keep_no_channel_or_a_single_frame_group_and_tile():
    net, executor = small(WHOLE)
    little = PruningPlan.random(net, frames=0.01, channels=0.01, features=0.01, seed=5)
    none = PruningPlan.full(net)
    for unit in ("a.0", "d"):
        none = changed(none, "channels", unit, False)
    check(executor, net, PruningPlan.cat([little, none]))


def test_without_any_branch_the_shortcuts_pass():
    net, executor = small(WHOLE)
    full = PruningPlan.full(net)
    axes = (full.frames, full.channels, full.features)
    nothing = PruningPlan(*({u: entry & False for u, entry in axis.items()} for axis in axes))
    check(executor, net, PruningPlan.cat([nothing, full]))


def test_a_clip_does_not_see_the_others():
    net, executor = small(HALF)
    clip, plan = clips(net, 4), plan_of_each_kind(net)
    logits = executor(clip, plan)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(executor(clip[order], plan[order]), logits[order])
    alone = torch.cat([executor(clip[n : n + 1], plan[n]) for n in range(4)])
    torch.testing.assert_close(alone, logits, rtol=2e-3, atol=2e-3)  # PyTorch's parts may differ


def test_without_a_plan_the_controllers_is_run():
    torch.manual_seed(0)
    net = undecided(Dance(randomise(TwoBlocks()), TwoBlocks.clip).eval())
    executor, clip = SparseCuda(net, WHOLE), clips(net, 3)
    plan = executor.plan(clip)
    kept = torch.cat([plan.mask(u).float().flatten() for u in plan.units]).mean()
    assert 0.02 < kept < 0.9
    expected = net.plan(clip)
    for axis in ("frames", "channels", "features"):
        for unit, mask in getattr(expected, axis).items():
            assert torch.equal(getattr(plan, axis)[unit], mask)
    packed = executor.pack(plan)
    assert len(packed) == 3
    logits = executor(clip)
    assert torch.equal(logits, executor(clip, plan))
    assert torch.equal(logits, executor(clip, packed))
    assert torch.equal(logits, executor(clip, executor.decide(executor.stem(clip))))
    seen = []
    assert torch.equal(logits, executor(clip, record=lambda unit, value: seen.append(unit)))
    assert len(seen) == 3 * len(plan.units)


def test_it_holds_a_copy_and_leaves_clips_and_network_as_they_are():
    net, executor = small(HALF)
    clip, plan = clips(net, 1), PruningPlan.random(net, 1, frames=0.5)
    weights, before = net.state_dict(), clip.clone()
    weights = {name: value.clone() for name, value in weights.items()}
    stem = executor.stem(clip)
    kept, first = stem.clone(), executor(clip, plan)
    assert torch.equal(executor(clip, plan), first)
    assert torch.equal(clip, before)
    assert torch.equal(stem, kept)
    changed_net = Dance(randomise(TwoBlocks(), 1), TwoBlocks.clip).eval()
    copied = SparseCuda(changed_net, HALF)
    logits = copied(clip, plan)
    with torch.no_grad():
        for parameter in changed_net.parameters():
            parameter.zero_()
    assert torch.equal(copied(clip, plan), logits)
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())
    assert next(net.parameters()).dtype == torch.float32


@pytest.mark.usefixtures("small_tiles")
def test_what_is_executed_falls_with_the_plan_and_is_nothing_for_a_dropped_branch():
    net, executor = family("narrow"), SparseCuda(family("narrow"), HALF)
    branch = net.structure.branches[next(iter(net.structure.branches))]
    little = PruningPlan.random(net, frames=0.3, channels=0.3, features=0.3)
    plan = PruningPlan.cat([PruningPlan.full(net), little, by_unit(net, 1, 1, {0: branch.name})])
    table = dance.count(executor, plan)
    macs = table.groupby("clip")["executed_macs"].sum()
    assert macs[1] < macs[0]
    assert macs[2] < macs[0]
    assert (table["executed_macs"] >= table["ideal_macs"]).all()  # tiles are whole
    dropped = table[(table["clip"] == 2) & table["unit"].isin(branch.units)]
    assert not dropped[["executed_macs", "executed_bytes"]].any(axis=None)
    grouped = dance.count(fast("csn", HALF), PruningPlan.random(family("csn"), channels=0.5))
    dense = [u.name for u in family("csn").structure.units.values() if u.groups > 1]
    rows = grouped[grouped["unit"].isin(dense)]
    assert (rows["executed_macs"] == rows["dense_macs"]).all()  # PyTorch skips nothing


def test_errors_are_those_of_the_other_executors():
    net, executor = small(HALF)
    clip = clips(net, 2)
    with pytest.raises(DanceError, match="clips must be"):
        executor(clip[:, :, :3])
    clip[1, 2, 3, 4, 5] = torch.nan
    for call in (executor, executor.plan):
        with pytest.raises(DanceError, match="NaN or infinite"):
            call(clip)
    clip = clips(net, 2)
    with pytest.raises(PlanError, match="another network"):
        executor(clip, PruningPlan.full(family("c3d"), 2))
    with pytest.raises(DanceError, match="plan is for 3 clips, the batch has 2"):
        executor(clip, PruningPlan.full(net, 3))
    packed = executor.pack(PruningPlan.full(net, 3))
    with pytest.raises(DanceError, match="packed plan is another network's, or not for 2 clips"):
        executor(clip, packed)
    with pytest.raises(DanceError, match=r"float16, .*not torch\.float64"):
        dance.sparse(net, backend="cuda", dtype=torch.float64)


def test_sparse_gives_it_in_half_precision_and_says_what_is_missing(monkeypatch):
    executor = dance.sparse(family("narrow"), backend="cuda")
    assert isinstance(executor, SparseCuda)
    assert executor.dtype == torch.float16
    monkeypatch.setattr(module, "INTERPRETED", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DanceError, match=r"needs a CUDA device; choose backend='cpu'"):
        dance.sparse(family("narrow"), backend="cuda")


def test_a_mean_over_many_places_of_which_none_is_kept():
    """Half precision holds no factor of 100,352; a clip that dropped all has zeros, and not NaN."""
    visitor = Skipping.__new__(Skipping)
    visitor.masks = Masks(
        {"u": torch.zeros(2, 32)}, {"u": torch.ones(2, 8)}, {"u": torch.ones(2, 56, 56)}
    )
    visitor.masks.frames["u"][1, :16] = 1
    pooled = visitor.pool("u", torch.tensor([[0.0], [0.25]], dtype=torch.float16))
    assert pooled.dtype == torch.float16
    assert pooled.tolist() == [[0.0], [0.5]]
