"""The sparse executor on every family, against the masked one in float64."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dance_lib as dance
from dance_lib import PruningPlan
from dance_lib.executors.cost_model import CostModel
from tests.executors.agreement import KERNELS, assert_agree, clips, expected, family, fast
from tests.executors.reference import FORWARD, Slow
from tests.networks import FAMILIES
from tests.plans import by_unit

# What the cost model decides about dropped channels: no choice may change a result.
CHOICES = {"left out": frozenset, "computed and zeroed": lambda kept: frozenset()}
SOME = ("full", "all axes", "an odd channel", "by unit", "no channel of a unit", "without branch 0")


def emptied(plan, units):
    """The plan with no channel of these units; of grouped ones, of all that share a mask."""
    channels = {u: c & (u not in units) for u, c in plan.channels.items()}
    return PruningPlan(plan.frames, channels, plan.features)


def one_channel(net, plan, which):
    """A single channel of every unit that may be pruned."""
    channels = {}
    for name, unit in net.structure.units.items():
        channels[name] = torch.zeros_like(plan.channels[name])
        channels[name][:, which % unit.out_shape[0]] = True
        if unit.shares is not None:
            channels[name] = channels[unit.shares]
        elif not unit.prunable_channels:
            channels[name] = torch.ones_like(channels[name])
    return PruningPlan(plan.frames, channels, plan.features)


@cache
def plans(name):
    """One clip of every kind of plan."""
    net = family(name)
    random, full = PruningPlan.random, PruningPlan.full(net)
    droppable = [b.name for b in net.structure.branches.values() if b.droppable]
    made = {
        "full": full,
        "frames": random(net, frames=0.5, seed=1),
        "channels": random(net, channels=0.5, seed=2),
        "features": random(net, features=0.5, seed=3),
        "all axes": random(net, frames=0.5, channels=0.5, features=0.6, seed=4),
        "one frame, group and tile": random(net, frames=0.01, channels=0.01, features=0.01, seed=5),
        "first channel": one_channel(net, random(net, frames=0.6, seed=6), 0),
        "an odd channel": one_channel(net, full, 3),
        "by unit": by_unit(net, 1, seed=7),
        "by unit again": by_unit(net, 1, seed=8),
        "channels by unit": PruningPlan(full.frames, by_unit(net, 1, seed=9).channels,
                                        full.features),
        "no channel at all": emptied(full, full.units),
    }  # fmt: skip
    owners = [u for u in net.structure.channel_owners if not _shared(net, u)]
    made["no channel of a unit"] = emptied(by_unit(net, 1, seed=10), owners[: len(owners) // 2])
    for number, branch in enumerate(droppable[:3]):
        made[f"without branch {number}"] = by_unit(net, 1, number, {0: branch})
    if droppable:
        axes = (full.frames, full.channels, full.features)
        nothing = ({u: torch.zeros_like(e) for u, e in axis.items()} for axis in axes)
        made["without any branch"] = PruningPlan(*nothing)
    return made


def _shared(net, name):
    return any(unit.shares == name for unit in net.structure.units.values())


@cache
def reference(name):
    """Clips, plan, the kinds of plans, and what comes out in float64."""
    kinds = plans(name)
    plan = PruningPlan.cat([*kinds.values()])
    clip = clips(family(name), len(plan))
    return clip, plan, list(kinds), expected(family(name), clip, plan)


def some_kinds(name):
    """The same for the kinds that slower executors are held to."""
    clip, plan, kinds, values = reference(name)
    some = [number for number, kind in enumerate(kinds) if kind in SOME]
    assert len(some) >= 5
    values = {of: (value[some], size[some]) for of, (value, size) in values.items()}
    return clip[some], plan[some], [kinds[number] for number in some], values


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("kind", KERNELS[:2])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_kind_of_plan_on_every_family(name, kind, choice, monkeypatch):
    monkeypatch.setattr(CostModel, "choose", lambda self, kept: CHOICES[choice](kept))
    clip, plan, kinds, values = reference(name)
    assert_agree(fast(name, kind), values, clip, plan, kinds)


@pytest.mark.parametrize("kind", KERNELS[2:])
@pytest.mark.parametrize("name", FAMILIES)
def test_portable_kernels_on_every_family(name, kind, monkeypatch):
    monkeypatch.setattr(CostModel, "choose", lambda self, kept: frozenset(kept))
    clip, plan, kinds, values = some_kinds(name)
    assert_agree(fast(name, kind), values, clip, plan, kinds)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_reference_backend_is_the_independent_executor_in_numpy(name):
    """Two that share nothing; all the others are held against the first."""
    net = family(name)
    clip, plan, _, values = some_kinds(name)
    backend = dance.sparse(net, backend="reference")
    recorded = {}
    logits = backend(clip, plan, recorded.__setitem__)
    assert torch.equal(backend(clip, plan), logits)
    slow = Slow(backend._net.backbone, plan)  # in float64
    pixels = (clip.double().numpy() - net.mean.double().numpy()) / net.std.double().numpy()
    answers = {"logits": FORWARD[name](slow, pixels)}
    answers |= {unit: slow.outputs[unit] * plan.mask(unit).numpy() for unit in plan.units}
    recorded = {unit: recorded[unit] * plan.mask(unit) for unit in plan.units}
    for value_of, value in {**recorded, "logits": logits}.items():
        size = values[value_of][1].numpy()
        error = np.abs(value.numpy() - answers[value_of]).reshape(len(clip), -1).max(1) / size
        assert (error <= 1e-10).all(), value_of


@pytest.mark.parametrize("name", FAMILIES)
def test_a_full_plan_is_the_backbone(name):
    net = family(name)
    clip = clips(net, 2)
    with torch.no_grad():
        dense = net.backbone((clip - net.mean) / net.std)
    actual = fast(name, "native float32")(clip, PruningPlan.full(net, 2))
    assert (actual - dense).abs().max() <= 1e-5 * dense.abs().max()


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    name=st.sampled_from(sorted(FAMILIES)),
    seed=st.integers(0, 2**31),
    rates=st.none() | st.tuples(*[st.floats(0.01, 1.0)] * 3),
    batch=st.sampled_from([1, 3]),
    kind=st.sampled_from(KERNELS[:2]),
)
def test_any_plan(name, seed, rates, batch, kind):
    """By unit, or by exact rates of the three axes."""
    net = family(name)
    if rates is None:
        plan = by_unit(net, batch, seed)
    else:
        axes = dict(zip(("frames", "channels", "features"), rates, strict=True))
        plan = PruningPlan.random(net, batch, seed=seed, **axes)
    clip = clips(net, batch, seed)
    assert_agree(fast(name, kind), expected(net, clip, plan), clip, plan)
