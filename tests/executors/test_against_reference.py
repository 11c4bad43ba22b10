"""The masked executor against a slow reference that shares nothing with it, family by family."""

import numpy as np
import pytest
import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.executors.masked import Masked, Recorded
from tests.executors.reference import FORWARD, Slow
from tests.networks import CLIP, FAMILIES, randomise
from tests.plans import by_unit

TOLERANCE = 1e-10  # relative, float64


def distance(actual, expected):
    """Largest difference over the largest value; 0 where both are empty of values."""
    return np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30)


def build(family, training, seed=0):
    """A network in float64, in evaluation but for its norms."""
    net = Dance(randomise(FAMILIES[family](), seed), CLIP).double().eval()
    if training:  # dropout stays off: it has nothing to do with plans
        for module in net.backbone.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.train()
    return net


def plans_of_every_kind(net, seed):
    """Five clips: two by exact rates, two drawn by unit (one with a dropped branch), one full."""
    branches = [b.name for b in net.structure.branches.values() if b.droppable]
    drop = {1: branches[seed % len(branches)]} if branches else {}
    return PruningPlan.cat(
        [
            PruningPlan.random(net, 2, frames=0.5, channels=0.5, features=0.6, seed=seed),
            by_unit(net, 2, seed, drop),
            PruningPlan.full(net, 1),
        ]
    )


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training norms"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_every_unit_match_the_reference(family, training):
    seed = list(FAMILIES).index(family)
    net = build(family, training, seed)
    plan = plans_of_every_kind(net, seed)
    clip = torch.rand(len(plan), *CLIP, generator=torch.Generator().manual_seed(seed)).double()

    slow = Slow(net.backbone, plan)
    pixels = (clip.numpy() - net.mean.numpy()) / net.std.numpy()
    expected = FORWARD[family](slow, pixels)

    recorded = {}
    with torch.no_grad():
        # Recorded passes on what Masked makes of an output: it sees the value before the mask.
        logits = net.body(net.stem(clip), Recorded(recorded.__setitem__, Masked(plan)))
        again = net(clip, plan=plan)
    assert list(recorded) == list(plan.units)
    assert set(recorded) == set(slow.outputs)
    for name, output in recorded.items():
        assert distance(output.numpy(), slow.outputs[name]) < TOLERANCE, name
    assert distance(logits.numpy(), expected) < TOLERANCE
    assert torch.equal(again, logits)


@pytest.mark.parametrize("family", ["r2plus1d", "s3d", "x3d"])
@pytest.mark.parametrize("seed", [11, 12])
def test_plans_by_the_controller_match_the_reference(family, seed):
    """A controller that closes about half of all gates, its plan carried out by the reference."""
    net = build(family, training=False, seed=seed)
    for head in net.controller.logit_heads():
        nn.init.normal_(head.weight, std=2.0)
        nn.init.zeros_(head.bias)
    clip = torch.rand(3, *CLIP, generator=torch.Generator().manual_seed(seed)).double()
    with torch.no_grad():  # a threshold in the midst of each branch's logits
        logits = net.controller(net.statistics(net.stem(clip)))
        for head, found in ((net.controller.frame_logits, logits.frames),
                            (net.controller.tile_logits, logits.tiles)):  # fmt: skip
            head.bias -= torch.stack([z.median() for z in found.values()])
    plan = net.plan(clip)
    assert 0.1 < torch.cat([m.float().flatten() for m in plan.frames.values()]).mean() < 0.9

    pixels = (clip.numpy() - net.mean.numpy()) / net.std.numpy()
    expected = FORWARD[family](Slow(net.backbone, plan), pixels)
    with torch.no_grad():
        assert distance(net(clip).numpy(), expected) < TOLERANCE
