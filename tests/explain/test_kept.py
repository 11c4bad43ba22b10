"""Where the work goes, against plans whose answer is known by hand."""

import torch

from dance_lib.aap.plan import PruningPlan
from dance_lib.explain.kept import kept_frames, kept_work
from dance_lib.models.narrow import r2plus1d_narrow
from dance_lib.network import Dance

CLIP = (3, 8, 32, 64)


def network():
    return Dance(r2plus1d_narrow(4, widths=(8, 16), stem_width=8), CLIP, grid=4)


def planned(net, branch, frames, tiles):
    """A plan with these decisions in one branch and everything kept in the others."""
    structure = net.structure
    everything = {
        "frames": {b.name: torch.ones(1, b.size[0]) for b in structure.branches.values()},
        "tiles": {b.name: torch.ones(1, *b.grid) for b in structure.branches.values()},
        "channels": {u: torch.ones(1, structure.groups(u)) for u in structure.channel_owners},
    }
    everything["frames"][branch] = frames
    everything["tiles"][branch] = tiles
    return PruningPlan.from_decisions(structure, **everything)


def macs(net, branch):
    return sum(u.dense_macs for u in net.structure.units.values() if u.branch == branch)


def test_a_full_plan_works_everywhere():
    net = network()
    plan = PruningPlan.full(net, 2)
    torch.testing.assert_close(kept_work(net.structure, plan), torch.ones(2, *CLIP[1:]))
    torch.testing.assert_close(kept_frames(net.structure, plan), torch.ones(2, CLIP[1]))


def test_a_branch_counts_by_its_macs_where_it_drops():
    net = network()
    branch = list(net.structure.branches)[-1]
    T = net.structure.branches[branch].size[0]
    rows, columns = net.structure.branches[branch].grid
    frames = torch.ones(1, T)
    frames[0, 0] = 0
    tiles = torch.ones(1, rows, columns)
    tiles[0, :, -1] = 0  # the last column of tiles
    plan = planned(net, branch, frames, tiles)
    per_frame, per_column = CLIP[1] // T, CLIP[3] // columns
    expected = torch.ones(1, *CLIP[1:])
    rest = 1 - macs(net, branch) / sum(macs(net, b) for b in net.structure.branches)
    expected[:, :per_frame] = rest
    expected[..., -per_column:] = rest
    torch.testing.assert_close(kept_work(net.structure, plan), expected)
    frames_alone = torch.ones(1, CLIP[1])
    frames_alone[:, :per_frame] = rest
    torch.testing.assert_close(kept_frames(net.structure, plan), frames_alone)
    assert (kept_work(net.structure, plan, [branch])[0, 0] == 0).all()


def test_a_dropped_branch_does_nothing_anywhere():
    net = network()
    branch, *others = net.structure.branches
    size = net.structure.branches[branch].size
    grid = net.structure.branches[branch].grid
    plan = planned(net, branch, torch.zeros(1, size[0]), torch.ones(1, *grid))
    assert (kept_work(net.structure, plan, [branch]) == 0).all()
    assert (kept_frames(net.structure, plan, [branch]) == 0).all()
    assert (kept_work(net.structure, plan, others) == 1).all()
