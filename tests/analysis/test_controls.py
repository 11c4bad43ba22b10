"""Plans that the controller's are held against."""

import pytest
import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.aap.plan import AXES
from dance_lib.analysis.controls import inverted, majority, random_like, shuffled
from dance_lib.meter.cost import mac_ratios
from tests.analysis.plans import decided
from tests.networks import CLIP, FAMILIES
from tests.train.small import make_net


class Plain(nn.Module):
    """No shortcut: every convolution after the stem is a branch that must keep something."""

    clip = (3, 4, 8, 8)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, padding=1)
        self.one, self.two = nn.Conv3d(8, 16, 3, padding=1), nn.Conv3d(16, 8, 3, padding=1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.two(torch.relu(self.one(x))))
        return self.fc(x.mean((2, 3, 4)))


@pytest.fixture(scope="module")
def plain():
    return Dance(Plain(), Plain.clip, grid=2)


@pytest.fixture(scope="module")
def families():
    """A plain network, grouped convolutions, and one that is split and joined."""
    return {name: Dance(FAMILIES[name](), CLIP) for name in ("c3d", "pre-activation", "s3d")}


def branch_names(net):
    return list(net.structure.branches)


def origin(plan, other):
    """Which clip of `plan` each clip of `other` carries the plan of; they must all differ."""

    def key(p, n):
        return tuple(
            tuple(getattr(p, axis)[u][n].flatten().tolist()) for axis in AXES for u in p.units
        )

    keys = [key(plan, n) for n in range(len(plan))]
    assert len(set(keys)) == len(keys)
    return [keys.index(key(other, n)) for n in range(len(other))]


# ------------------------------------------------------------------ shuffled
@pytest.mark.parametrize("count", [2, 3, 12])
@pytest.mark.parametrize("seed", range(5))
def test_every_clip_gets_another_ones_plan(net, count, seed):
    plan = PruningPlan.random(net, count, frames=0.5, channels=0.5, features=0.5, seed=7)
    came_from = origin(plan, shuffled(plan, seed))
    assert sorted(came_from) == list(range(count))  # a permutation
    assert all(source != n for n, source in enumerate(came_from))


def test_shuffling_repeats_by_its_seed(net):
    plan = PruningPlan.random(net, 12, frames=0.5, channels=0.5, features=0.5, seed=7)
    orders = [tuple(origin(plan, shuffled(plan, seed))) for seed in (0, 0, 1, 2)]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3


def test_shuffling_keeps_the_mean_of_r(net):
    plan = PruningPlan.random(net, 12, frames=0.5, channels=0.5, seed=7)
    one, other = (mac_ratios(net.structure, p) for p in (plan, shuffled(plan)))
    torch.testing.assert_close(one.sort().values, other.sort().values)


# ------------------------------------------------------------------ majority
def test_majority_by_hand(net):
    """What two of four clips keep is kept, what one keeps is not."""
    first, second = branch_names(net)
    plan = decided(
        net,
        4,
        frames={first: [[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]],
                second: [[1, 1], [1, 0], [1, 0], [1, 0]]},
        channels={"a.0": [[1, 0], [1, 0], [1, 1], [0, 1]]},
        tiles={second: [[[1] * 4, [0] * 4, [1, 0, 0, 0], [1] * 4]] * 2
                       + [[[1] * 4, [0] * 4, [0, 1, 0, 0], [0] * 4]] * 2},
    )  # fmt: skip
    static = majority(plan, 3, net.structure)
    assert len(static) == 3
    for unit in ("a.0", "b.0"):
        assert static.frames[unit].tolist() == [[True, True, False, False]] * 3
    assert static.frames["d"].tolist() == [[True, False]] * 3
    assert static.frames["c.0"].tolist() == [[True, False]] * 3
    assert static.channels["a.0"].tolist() == [[True] * 16] * 3  # three and two of four
    tiles = [[True] * 4, [False] * 4, [True, True, False, False], [True] * 4]
    assert static.features["d"].tolist() == [tiles] * 3
    assert static.features["a.0"].all()
    static.check(net.structure)


def test_a_branch_that_most_clips_drop_is_dropped(net):
    first, _ = branch_names(net)
    plan = decided(net, 3, frames={first: [[0] * 4, [0] * 4, [1] * 4]})
    static = majority(plan, 2, net.structure)
    for unit in ("a.0", "b.0"):
        assert not any(getattr(static, axis)[unit].any() for axis in AXES)
    for unit in ("c.0", "d"):
        assert all(getattr(static, axis)[unit].all() for axis in AXES)


def test_a_branch_whose_frames_all_lose_the_vote_is_dropped_whole(net):
    """Four clips, each with a frame of its own: no frame has a majority."""
    first, _ = branch_names(net)
    plan = decided(net, 4, frames={first: torch.eye(4).tolist()})
    static = majority(plan, 1, net.structure)
    for unit in ("a.0", "b.0"):
        assert not any(getattr(static, axis)[unit].any() for axis in AXES)


def test_a_unit_keeps_its_best_group_where_none_has_a_majority(net):
    """Three groups, kept by 2, 1 and 2 of five clips: a unit never runs empty."""
    groups = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    plan = decided(net, 5, channels={"c.0": groups})
    static = majority(plan, 1, net.structure)
    assert static.channels["c.0"].tolist() == [[True] * 8 + [False] * 8 + [True] * 8]
    assert static.frames["c.0"].all()
    static.check(net.structure)


def test_a_plain_network_keeps_its_best_frame_tile_and_group(plain):
    first, second = branch_names(plain)
    plan = decided(
        plain,
        5,
        frames={first: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
        tiles={second: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]},
    )
    static = majority(plan, 2, plain.structure)
    assert static.frames["one"].tolist() == [[False, True, False, False]] * 2
    assert static.frames["two"].all()
    corner = torch.zeros(8, 8, dtype=torch.bool)
    corner[4:, 4:] = True
    assert torch.equal(static.features["two"], corner.expand(2, 8, 8))
    static.check(plain.structure)


@pytest.mark.parametrize("family", ["c3d", "pre-activation", "s3d"])
def test_majority_can_be_run_on_every_kind_of_network(families, family):
    net = families[family]
    plan = PruningPlan.random(net, 9, frames=0.3, channels=0.3, features=0.3, seed=1)
    static = majority(plan, 2, net.structure)
    static.check(net.structure)
    for axis in AXES:
        for entry in getattr(static, axis).values():
            assert torch.equal(entry[0], entry[1])


# ------------------------------------------------------------------ inverted
def test_inverted_by_hand(net):
    """The other frames, groups and tiles; an axis that is kept entirely stays."""
    first, second = branch_names(net)
    half = [[1] * 4, [0] * 4, [1, 1, 0, 0], [1] * 4]
    plan = decided(
        net, 2,
        frames={first: [[1, 0, 0, 1], [0] * 4], second: [[1, 1], [1, 0]]},
        tiles={second: [half, [[1] * 4] * 4]},
        channels={"a.0": [[1, 0], [1, 1]]},
    )  # fmt: skip
    other = inverted(plan, net.structure)
    assert other.frames["b.0"].tolist() == [[False, True, True, False], [True] * 4]
    assert other.frames["d"].tolist() == [[True, True], [False, True]]
    expected = [[False] * 4, [True] * 4, [False, False, True, True], [False] * 4]
    assert other.features["d"][0].tolist() == expected
    assert other.features["d"][1].all()
    assert other.channels["a.0"][0].tolist() == [False] * 8 + [True] * 8
    assert other.channels["a.0"][1].all()
    other.check(net.structure)


def test_inverting_drops_a_branch_that_is_kept_whole(net):
    first, _ = branch_names(net)
    plan = decided(net, 2, frames={first: [[1] * 4, [0] * 4]})
    other = inverted(plan, net.structure)
    for axis in AXES:
        assert not getattr(other, axis)["b.0"][0].any()
        assert getattr(other, axis)["b.0"][1].all()


def test_inverting_what_prunes_one_axis_drops_no_branch(net):
    """All frames and tiles are kept, which says nothing: the groups alone are turned round."""
    plan = decided(net, 1, channels={"a.0": [[1, 0]], "c.0": [[0, 1, 1]]})
    other = inverted(plan, net.structure)
    assert other.channels["a.0"][0].tolist() == [False] * 8 + [True] * 8
    assert other.channels["c.0"][0].tolist() == [True] * 8 + [False] * 16
    for unit in plan.units:
        assert other.frames[unit].all()
        assert other.features[unit].all()
    assert other.channels["b.0"].all()
    assert other.channels["d"].all()


def test_inverting_a_plain_network_leaves_what_it_keeps_whole(plain):
    first, _ = branch_names(plain)
    plan = decided(plain, 1, frames={first: [[1, 0, 0, 1]]})
    other = inverted(plan, plain.structure)
    other.check(plain.structure)
    assert other.frames["one"].tolist() == [[False, True, True, False]]
    assert all(getattr(other, axis)["two"].all() for axis in AXES)


@pytest.mark.parametrize("family", ["c3d", "pre-activation", "s3d"])
def test_inverses_can_be_run_on_every_kind_of_network(families, family):
    net = families[family]
    plan = PruningPlan.random(net, 5, frames=0.4, channels=0.4, features=0.4, seed=1)
    other = inverted(plan, net.structure)
    other.check(net.structure)
    for unit in net.structure.channel_owners:  # no group is kept by both, where some are dropped
        both = (plan.channels[unit] & other.channels[unit]).any(1)
        assert torch.equal(both, plan.channels[unit].all(1))


def test_inverting_twice_gives_the_plan_back(net):
    plan = PruningPlan.random(net, 6, frames=0.5, channels=0.5, features=0.5, seed=3)
    again = inverted(inverted(plan, net.structure), net.structure)
    assert all(
        torch.equal(getattr(again, axis)[unit], getattr(plan, axis)[unit])
        for axis in AXES
        for unit in plan.units
    )


# ------------------------------------------------------------------ random
def counts(plan, structure):
    """Kept frames and cells of each branch, kept groups of each owner, per clip."""
    found = {}
    for branch in structure.branches.values():
        last = branch.units[-1]
        found[branch.name, "frames"] = plan.frames[last].sum(1).tolist()
        _, height, width = branch.size
        cells = torch.zeros(len(plan), *branch.grid)
        for row in range(height):
            for column in range(width):
                cell = row * branch.grid[0] // height, column * branch.grid[1] // width
                cells[:, cell[0], cell[1]] = plan.features[last][:, row, column].float()
        found[branch.name, "tiles"] = cells.sum((1, 2)).tolist()
    for unit in structure.channel_owners:
        groups = plan.channels[unit].float().split(structure.group_size, dim=1)
        found[unit] = torch.stack([g.mean(1) for g in groups], 1).sum(1).tolist()
    return found


@pytest.mark.parametrize("family", ["two", "c3d", "pre-activation", "s3d"])
def test_random_plans_keep_the_counts_of_every_clip(net, families, family):
    net = net if family == "two" else families[family]
    structure = net.structure
    plan = PruningPlan.cat(
        [
            PruningPlan.random(net, 3, frames=f, channels=c, features=t, seed=2)
            for f, c, t in ((0.5, 0.5, 0.3), (0.2, 0.9, 0.6), (1.0, 0.1, 1.0))
        ]
    )
    drawn = random_like(plan, structure, seed=1)
    drawn.check(structure)
    assert counts(drawn, structure) == counts(plan, structure)
    assert any(not torch.equal(drawn.features[u], plan.features[u]) for u in plan.units)


def test_random_plans_drop_the_same_branches(net):
    first, _ = branch_names(net)
    plan = decided(net, 3, frames={first: [[0] * 4, [1] * 4, [0, 1, 0, 0]]})
    drawn = random_like(plan, net.structure)
    for unit in ("a.0", "b.0"):
        for axis in AXES:
            assert not getattr(drawn, axis)[unit][0].any()
            assert getattr(drawn, axis)[unit][1].all()
        assert drawn.frames[unit][2].sum() == 1


def test_random_plans_repeat_by_their_seed():
    net = make_net()
    plan = PruningPlan.random(net, 8, features=0.5, seed=2)
    one, again, other = (random_like(plan, net.structure, seed).features["d"] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_random_places_are_even():
    """One of four frames kept on 400 clips: each frame about 100 times, wherever it was."""
    net = make_net()
    first, _ = branch_names(net)
    plan = decided(net, 400, frames={first: [[0, 0, 1, 0]] * 400})
    times = random_like(plan, net.structure).frames["b.0"].sum(0)
    assert times.sum() == 400
    assert (times - 100).abs().max() < 40  # 4.6 standard deviations of Binomial(400, 1/4)
