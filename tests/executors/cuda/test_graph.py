"""Which parts of a network become launches of ours, and networks wired in other ways."""

import copy

import pytest
import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.executors.cuda.graph import FILL, STREAM, _add, _convolve, parts_of
from tests.executors.cuda.agreement import check_network, family
from tests.executors.networks import SHAPE, Net, Residual, conv, some_plans
from tests.executors.test_graphs import GRAPHS, RARE
from tests.executors.test_units import UNITS
from tests.networks import FAMILIES, TwoBlocks
from tests.plans import by_unit

NETWORKS = {**UNITS, **GRAPHS, **RARE, "two blocks": TwoBlocks}
# One of each rule: a norm over the clip, an activation behind the norm, a norm behind that, groups,
# a squeeze behind the sum's unit, a shortcut in somebody else's memory, a sum that is not fused,
# one in place, a fork in a unit, channels of two units, windows, strides, a pool.
QUICK = (
    "instance norm", "sigmoid", "relu before batch norm", "grouped", "squeeze-excite at the end",
    "dropout on the shortcut", "branch by alpha", "in-place sum", "size in between",
    "concatenated twice", "even kernels", "more padding than kernel", "strides in a branch",
    "dilation in a branch", "max pool",
)  # fmt: skip


def two_plans(net):
    """By unit, in one clip without a branch where there are some; quicker than `some_plans`."""
    droppable = [b.name for b in net.structure.branches.values() if b.droppable]
    return by_unit(net, 2, 1, {0: droppable[0]} if droppable else {})


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_networks_of_every_sort(name):
    shape = TwoBlocks.clip if name == "two blocks" else SHAPE
    check_network(NETWORKS[name](), shape, plans=two_plans if name in QUICK else some_plans)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 1, 5, 6), (3, 4, 1, 3), (1, 5, 9, 7), (7, 2, 6, 5)], ids=str)
def test_odd_shapes_of_the_clip(shape):
    network = Net(Residual(conv(8, 9), nn.ReLU(), conv(9, 8)), stem=conv(shape[0], 8))
    check_network(network, shape, torch.float16, some_plans)


def body_of(net):
    parts = parts_of(copy.deepcopy(net.backbone).eval(), net.structure)
    return parts, [n for n in parts.body.graph.nodes if n.target in (_convolve, _add)]


# Of each family: units, those of ours, and sums; the others are grouped.
COUNTS = {"r3d": (10, 10, 5), "r2plus1d": (20, 20, 5), "narrow": (12, 12, 3), "c3d": (4, 4, 0),
          "s3d": (20, 20, 0), "slow": (12, 12, 4), "csn": (12, 8, 4), "x3d": (18, 12, 6),
          "pre-activation": (6, 4, 2)}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_units_norms_and_sums_become_launches(name):
    net = family(name)
    parts, nodes = body_of(net)
    assert (len(net.structure.units), len(parts.folded), len(parts.sums)) == COUNTS[name]
    assert len(nodes) == len(parts.folded)
    left = [m for m in parts.body.modules() if isinstance(m, nn.BatchNorm3d)]
    # Of pre-activation: the norm at a block's start has no convolution before it.
    assert bool(left) == (name == "pre-activation")
    if len(parts.folded) == len(net.structure.units):
        assert not [m for name, m in parts.body.named_modules() if name in net.structure.units]


def test_the_stream_is_overwritten_and_holes_are_left_in_a_residual_network():
    """A strided block's shortcut has no ReLU: there the whole sum needs one."""
    net = family("r2plus1d")
    _, nodes = body_of(net)
    sums = [n.args[STREAM + 1 :] for n in nodes if n.target is _add]
    strided = [True, False, True, True, True]  # by block
    assert sums == [(True, True, not it) for it in strided]  # free, ReLU, positive
    assert not any(n.args[FILL] for n in nodes if n.target is _convolve)


def test_holes_are_filled_where_something_else_reads():
    net = Dance(Net(conv(8, 9), nn.ReLU(), nn.MaxPool3d(2), conv(9, 8), conv(8, 8)), SHAPE).eval()
    _, nodes = body_of(net)
    assert [n.args[FILL] for n in nodes] == [True, False, True]  # the last goes to the classifier


class Rectified(nn.Module):
    """relu(x) + branch(relu(x)), in place or not; and whether something else has that memory."""

    def __init__(self, shared):
        super().__init__()
        self.relu, self.shared = nn.ReLU(inplace=True), shared
        self.branch = nn.Sequential(conv(8, 8), nn.ReLU(), conv(8, 8))

    def forward(self, x):
        y = self.relu(x)
        total = y + self.branch(y)
        return torch.cat([total, x], 1) if self.shared else total


STREAMS = {
    "its branch has one unit": (lambda: Net(Residual(conv(8, 8))), [False]),
    "rectified in place": (lambda: Net(Rectified(shared=False)), [True]),
    "read again under another name": (lambda: Net(Rectified(shared=True), out=16), [False]),
    "passed on by dropout": (lambda: Net(nn.Dropout(), Residual(conv(8, 8), conv(8, 8))), [False]),
    "two blocks": (lambda: Net(*(Residual(conv(8, 8), conv(8, 8)) for _ in "ab")), [True, True]),
}


@pytest.mark.usefixtures("small_tiles")  # one that is written while another is still read
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_overwritten_only_where_nobody_else_has_its_memory(name):
    build, free = STREAMS[name]
    _, nodes = body_of(Dance(build(), SHAPE).eval())
    assert [n.args[STREAM + 1] for n in nodes if n.target is _add] == free
    check_network(build(), (3, 2, 5, 5), plans=PruningPlan.full)


def test_the_stems_output_is_left_where_the_head_reads_it():
    _, nodes = body_of(Dance(GRAPHS["long skip"](), SHAPE).eval())
    assert [n.args[STREAM + 1] for n in nodes if n.target is _add] == [False]
