"""Each clip of a batch runs by its own plan: work and result are those of the clip alone."""

import pytest
import torch

from dance_lib import PruningPlan
from tests.executors.agreement import clips, family, fast
from tests.networks import FAMILIES
from tests.plans import by_unit

NATIVE = ("native float32", "native bfloat16")


def batch(name):
    """Four clips: most kept, little kept, a dropped branch, all kept."""
    net = family(name)
    droppable = [b.name for b in net.structure.branches.values() if b.droppable]
    plans = [
        PruningPlan.random(net, frames=0.8, channels=0.8, features=0.8, seed=1),
        PruningPlan.random(net, frames=0.3, channels=0.3, features=0.3, seed=2),
        by_unit(net, 1, 3, {0: droppable[-1]} if droppable else {}),
        PruningPlan.full(net),
    ]
    return clips(net, 4, seed=3), PruningPlan.cat(plans)


@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_work_is_the_sum_over_the_clips(name, kind):
    """MACs and bytes of every unit, clip by clip, to the last one; results to the last bit."""
    executor = fast(name, kind)
    clip, plan = batch(name)
    logits, spent = executor.run(clip, plan)
    alone = [executor.run(clip[n : n + 1], plan[n]) for n in range(4)]
    assert spent == [spent for _, (spent,) in alone]
    assert torch.equal(logits, torch.cat([logits for logits, _ in alone]))
    totals = [sum(macs for macs, _ in clip.values()) for clip in spent]
    assert totals[1] < totals[0] < totals[3]  # not all as long as the longest


@pytest.mark.parametrize("name", FAMILIES)
def test_a_clip_does_not_see_the_others(name):
    executor = fast(name, "native float32")
    clip, plan = batch(name)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(executor(clip[order], plan[order]), executor(clip, plan)[order])
    others = clip.clone()
    others[1:] = 1 - others[1:]
    assert torch.equal(executor(others, plan)[0], executor(clip, plan)[0])


@pytest.mark.parametrize("name", ["r2plus1d", "csn", "x3d", "pre-activation"])
def test_a_dropped_branch_is_not_touched(name):
    """No unit of it counts a single MAC or byte; one that is kept does."""
    net, executor = family(name), fast(name, "native float32")
    branches = [b for b in net.structure.branches.values() if b.droppable]
    for branch in branches:
        plan = by_unit(net, 1, 5, {0: branch.name})
        _, (spent,) = executor.run(clips(net, 1), plan)
        assert not set(branch.units) & set(spent)
        assert {u for b in branches if b is not branch for u in b.units} <= set(spent)


def test_macs_follow_from_the_plan_not_from_the_pixels():
    executor = fast("r2plus1d", "native float32")
    clip, plan = batch("r2plus1d")
    assert executor.run(clip, plan)[1] == executor.run(torch.zeros_like(clip), plan)[1]
