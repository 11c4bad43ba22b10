"""Shares of the savings by arithmetic."""

import pytest

from dance_lib import PruningPlan
from dance_lib.analysis.axis_shares import axis_shares
from dance_lib.meter.cost import mac_ratios
from tests.analysis.plans import decided
from tests.train.small import make_clips

BRANCH = 294_912 + 98_304  # MACs of the first branch's units, see test_tables
DENSE = 630_864


def saved(net, plan):
    rows = axis_shares(net, make_clips(len(plan)), plan)
    return rows.pivot_table("saved", "path", "axis")[["frames", "channels", "features"]].to_numpy()


def test_one_axis_makes_all_the_savings(net):
    first, _ = net.structure.branches
    plan = decided(net, 2, frames={first: [[1, 1, 0, 0], [1, 1, 1, 1]]})
    half = BRANCH / 2 / DENSE
    assert saved(net, plan)[0].tolist() == pytest.approx([half, 0, 0])
    assert saved(net, plan)[1].tolist() == pytest.approx([0, 0, 0])


def test_two_axes_that_save_alike_share_alike(net):
    """Half the frames and half the tiles keep a quarter: either alone half, the second a quarter
    more, so each has the mean of a half and a quarter."""
    first, _ = net.structure.branches
    rows = [[1] * 4, [1] * 4, [0] * 4, [0] * 4]
    plan = decided(net, 1, frames={first: [[1, 1, 0, 0]]}, tiles={first: [rows]})
    part = 3 / 8 * BRANCH / DENSE
    assert saved(net, plan)[0].tolist() == pytest.approx([part, 0, part])


def test_channels_save_where_they_are_written_and_read(net):
    """One of three groups of c.0: a third of its own MACs, and of d's, which reads it."""
    plan = decided(net, 1, channels={"c.0": [[1, 1, 0]]})
    third = (165_888 + 12_288) / 3 / DENSE
    assert saved(net, plan)[0].tolist() == pytest.approx([0, third, 0])


def test_three_axes_that_save_alike_share_alike(net):
    """Half the frames, tiles and groups of b.0's input keep an eighth: 7/24 of it each.

    Of a.0 and b.0, that is: both write or read the groups of a.0.
    """
    first, _ = net.structure.branches
    rows = [[1] * 4, [1] * 4, [0] * 4, [0] * 4]
    plan = decided(net, 1, frames={first: [[1, 1, 0, 0]]}, tiles={first: [rows]},
                   channels={"a.0": [[1, 0]]})  # fmt: skip
    assert saved(net, plan)[0].tolist() == pytest.approx([7 / 24 * BRANCH / DENSE] * 3)


def test_a_dropped_branch_is_shared_evenly(net):
    first, _ = net.structure.branches
    plan = decided(net, 1, frames={first: [[0] * 4]})
    assert saved(net, plan)[0].tolist() == pytest.approx([BRANCH / 3 / DENSE] * 3)


def test_shares_add_up_to_what_a_clip_saves(net):
    plan = PruningPlan.random(net, 4, frames=0.5, channels=0.5, features=0.3, seed=0)
    whole = 1 - mac_ratios(net.structure, plan).double().numpy()
    assert saved(net, plan).sum(1).tolist() == pytest.approx(whole.tolist())
