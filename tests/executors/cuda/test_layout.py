"""Plans packed and listed, against numpy."""

import numpy as np
import pytest
import torch

from dance_lib import PruningPlan
from dance_lib.aap.statistics import stem_statistics
from dance_lib.executors.cuda import layout as module
from dance_lib.executors.cuda.gates import Gates
from dance_lib.executors.cuda.layout import Layout, is_listed, whole
from tests.executors.cuda.agreement import family
from tests.networks import undecided
from tests.plans import by_unit

CPU = torch.device("cpu")
NAMES = ("narrow", "s3d", "csn", "pre-activation")


def groups_of(channels):
    """Bool (C,) -> which groups of eight hold a kept one."""
    return np.pad(channels, (0, whole(len(channels)) - len(channels))).reshape(-1, 8).any(1)


def read_by(net, plan, name, clip):
    """Bool (C_in,): input channels of a unit that are kept."""
    return np.concatenate([
        np.ones(count, bool) if source is None else plan.channels[source][clip].numpy()
        for source, count in net.structure.units[name].sources
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "block", "at_once"), [*((n, 1024, 256) for n in NAMES), ("narrow", 16, 1)]
)
def test_lists_hold_what_is_kept(name, block, at_once, monkeypatch):
    """Also as on a GPU: a program a segment, block by block."""
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    net = family(name)
    layout, plan = Layout(net.structure, (), CPU), by_unit(net, 2, seed=3)
    lists = layout.lists(layout.of_plan(plan))
    for number, (unit, place) in enumerate(layout.places.items()):
        for clip in range(2):
            found = [plan.frames[unit][clip].numpy(), plan.features[unit][clip].flatten().numpy(),
                     groups_of(plan.channels[unit][clip].numpy())]  # fmt: skip
            if is_listed(net.structure, unit):
                found.append(groups_of(read_by(net, plan, unit, clip)))
            for segment, (start, kept) in enumerate(zip(place, found, strict=False)):
                index = np.flatnonzero(kept)
                count = lists.counts[clip, number, segment]
                if segment == 0 and not all(part.any() for part in found[:3]):
                    assert count == 0  # nobody reads what has no places or channels
                    continue
                assert count == len(index), (unit, segment)
                assert lists.kept[clip, start : start + len(index)].tolist() == index.tolist()
            flags = lists.flags[clip, place.channels :][: len(plan.channels[unit][clip])]
            assert torch.equal(flags, plan.channels[unit][clip])


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_the_plans(name):
    net = family(name)
    layout, plan = Layout(net.structure, (), CPU), by_unit(net, 3, seed=5)
    masks = layout.masks(layout.of_plan(plan))
    for axis in ("frames", "channels", "features"):
        for unit in plan.units:
            assert torch.equal(getattr(masks, axis)[unit], getattr(plan, axis)[unit])


@pytest.mark.parametrize("name", NAMES)
def test_gates_pack_to_the_same_as_the_plan_made_of_them(name):
    """But for branches that are dropped: their units are closed in the plan, and in the counts."""
    net = undecided(family(name)) if name != "narrow" else family(name)
    units = net.structure.units
    layout = Layout(net.structure, units, CPU)
    maps = torch.rand(3, *net.structure.stem_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        statistics = stem_statistics(maps, net.grid)
        plan = net.controller.plan(statistics)
        packed = Gates(net.controller, layout, CPU)(net.controller(statistics))
    ours, theirs = layout.lists(packed), layout.lists(layout.of_plan(plan))
    rows = [lists.counts[..., 0] * lists.counts[..., 1] for lists in (ours, theirs)]
    assert torch.equal(*rows)
    open_ = rows[0] > 0  # (clips, units)
    for number, (unit, place) in enumerate(layout.places.items()):
        for clip in open_[:, number].nonzero().flatten().tolist():
            assert torch.equal(ours.counts[clip, number], theirs.counts[clip, number])
            for start, count in zip(place[:4], ours.counts[clip, number].tolist(), strict=True):
                part = slice(start, start + count)
                assert torch.equal(ours.kept[clip, part], theirs.kept[clip, part]), unit


def test_units_are_closed_where_the_last_of_their_branch_keeps_nothing():
    net = family("narrow")
    branch = next(iter(net.structure.branches.values()))
    plan = PruningPlan.full(net, 2)
    frames = dict(plan.frames)
    frames[branch.units[-1]] = torch.tensor([[True], [False]]).expand_as(frames[branch.units[-1]])
    plan = PruningPlan(frames, plan.channels, plan.features)
    first = list(net.structure.units).index(branch.units[0])
    for closable, close, expected in [(branch.units, True, 0), ((), True, 4),
                                      (branch.units, False, 4)]:  # fmt: skip
        layout = Layout(net.structure, closable, CPU)
        counts = layout.lists(layout.of_plan(plan), close).counts
        assert counts[:, first, 0].tolist() == [4, expected]
