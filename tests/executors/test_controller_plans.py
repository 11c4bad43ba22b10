"""The sparse executor's own plans against those of the masked one.

The statistics are sums in another order, so a logit may differ by rounding. Gates whose logit lies
within 1e-4 of 0 may therefore fall otherwise: they are counted, and no other may.
"""

import copy
from functools import cache

import pytest
import torch
from torch import nn

from dance_lib import Dance
from dance_lib.executors.sparse import Sparse
from tests.executors.agreement import clips, kernels
from tests.networks import CLIP, FAMILIES, randomise

CLOSE = 1e-4
AXES = ("frames", "tiles", "channels")


@cache
def undecided(name):
    """A network whose controller, untrained, closes about half of its gates; left as it is."""
    torch.manual_seed(0)
    net = Dance(randomise(FAMILIES[name]()), CLIP).eval()
    controller = net.controller
    for head in controller.logit_heads():
        nn.init.normal_(head.weight, std=2.0)
        nn.init.zeros_(head.bias)
    with torch.no_grad():
        logits = controller(net.statistics(net.stem(clips(net, 4))))
        for axis, head in (("frames", "frame"), ("tiles", "tile"), ("channels", "channel")):
            means = [z.mean(0) for z in getattr(logits, axis).values()]  # of a branch, or of gates
            means = (
                torch.cat(means) if axis == "channels" else torch.stack([m.mean() for m in means])
            )
            getattr(controller, f"{head}_logits").bias -= means
    return net


def statistics_seen(executor, clip):
    """The statistics that the executor's controller decides by, and its plan."""
    seen, plan = [], executor.controller.plan
    executor.controller.plan = lambda statistics: seen.append(statistics) or plan(statistics)
    made = executor.plan(clip)
    executor.controller.plan = plan
    return seen[0], made


def compare(ours, theirs):
    """How many gates differ though |logit| ≥ 1e-4, how many closer ones, and the rate kept."""
    far = near = 0
    kept = []
    for axis in AXES:
        for name, z in getattr(theirs, axis).items():
            other = (getattr(ours, axis)[name] > 0) != (z > 0)
            far += int((other & (z.abs() >= CLOSE)).sum())
            near += int((other & (z.abs() < CLOSE)).sum())
            kept.append((z > 0).float().flatten())
    return far, near, torch.cat(kept).mean()


@pytest.mark.parametrize("kind", ["native float32", "portable float32"])
@pytest.mark.parametrize("name", FAMILIES)
def test_plans_agree_but_for_gates_that_stand_on_the_edge(name, kind):
    net = undecided(name)
    executor, clip = Sparse(net, kernels(kind)), clips(net, 4)
    statistics, plan = statistics_seen(executor, clip)
    with torch.no_grad():
        theirs = net.controller(net.statistics(net.stem(clip)))
        ours = net.controller(statistics)
    far, near, kept = compare(ours, theirs)
    assert far == 0
    assert near <= 2  # of hundreds: the edge is thin
    assert 0.1 < kept < 0.9
    expected = net.plan(clip)
    if not near:
        for axis in ("frames", "channels", "features"):
            for unit in plan.units:
                assert torch.equal(getattr(plan, axis)[unit], getattr(expected, axis)[unit])


def test_the_comparison_finds_a_gate_that_is_wrong():
    net = undecided("narrow")
    with torch.no_grad():
        theirs = net.controller(net.statistics(net.stem(clips(net, 2))))
    ours = copy.deepcopy(theirs)
    first = next(iter(ours.channels.values()))
    edge = next(iter(theirs.frames.values()))
    first[0, 0] = -first[0, 0]
    edge[0, 0], next(iter(ours.frames.values()))[0, 0] = 5e-5, -5e-5
    assert compare(ours, theirs)[:2] == (1, 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_bfloat16_decides_alike_where_the_logit_is_clear(name):
    """Its stem's output is rounded to 8 bits: a logit may move by so much of its range."""
    net = undecided(name)
    clip = clips(net, 4)
    statistics, _ = statistics_seen(Sparse(net, kernels("native bfloat16")), clip)
    with torch.no_grad():
        theirs = net.controller(net.statistics(net.stem(clip)))
        ours = net.controller(statistics)
    for axis in AXES:
        for unit, z in getattr(theirs, axis).items():
            other = (getattr(ours, axis)[unit] > 0) != (z > 0)
            assert not (other & (z.abs() > 0.05 * z.abs().max())).any(), (axis, unit)


@pytest.mark.parametrize("name", ["r2plus1d", "s3d", "x3d"])
def test_without_a_plan_the_controllers_is_run(name):
    net = undecided(name)
    executor, clip = Sparse(net, kernels("native float32")), clips(net, 3)
    plan = executor.plan(clip)
    assert not all(mask.all() for mask in plan.features.values())
    assert torch.equal(executor(clip), executor(clip, plan))
    with torch.no_grad():
        dense = net.dense(clip)
        masked = net(clip, plan)
    assert (executor(clip) - masked).abs().max() <= 1e-4 * dense.abs().max()
