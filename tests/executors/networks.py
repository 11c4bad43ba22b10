"""Parts of the small networks that tests of the sparse executor build."""

import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.executors.cost_model import CostModel
from dance_lib.executors.sparse import Sparse
from tests.executors.agreement import KERNELS, assert_agree, clips, expected, kernels
from tests.networks import randomise
from tests.plans import by_unit

SHAPE = (3, 3, 7, 9)


class Net(nn.Module):
    """Stem of one convolution, body, mean, classifier."""

    def __init__(self, *body, channels=8, out=None, stem=None):
        super().__init__()
        self.stem = stem or nn.Sequential(nn.Conv3d(3, channels, 3, padding=1), nn.ReLU())
        self.body = nn.Sequential(*body)
        self.fc = nn.Linear(out or channels, 5)

    def forward(self, x):
        return self.fc(self.body(self.stem(x)).mean((2, 3, 4)))


class Residual(nn.Module):
    """relu(x + branch(x))."""

    def __init__(self, *branch):
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x):
        return torch.relu(x + self.branch(x))


def conv(inputs, outputs, kernel=3, **options):
    """A convolution that keeps the size of its map."""
    return nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, **options)


def some_plans(net):
    """By unit (one with a dropped branch), by rates, full, and all branches dropped."""
    droppable = [b.name for b in net.structure.branches.values() if b.droppable]
    made = [by_unit(net, 2, 1, {0: droppable[0]} if droppable else {}), by_unit(net, 2, 2),
            PruningPlan.random(net, 1, frames=0.5, channels=0.5, features=0.5),
            PruningPlan.full(net)]  # fmt: skip
    if droppable:
        full = made[-1]
        axes = (full.frames, full.channels, full.features)
        made.append(PruningPlan(*({u: e & False for u, e in axis.items()} for axis in axes)))
    return PruningPlan.cat(made)


def check(network, monkeypatch, shape=SHAPE, kinds=KERNELS):
    """All kernels agree with the masked executor, dropped channels left out or zeroed."""
    net = Dance(randomise(network), shape).eval()
    plan = some_plans(net)
    clip = clips(net, len(plan))
    values = expected(net, clip, plan)
    for kind in kinds:
        executor = Sparse(net, kernels(kind))
        both = kind.startswith("native")  # portable kernels have no layout that could suffer
        for choose in (frozenset, lambda kept: frozenset())[: 1 + both]:
            with monkeypatch.context() as patch:
                patch.setattr(CostModel, "choose", lambda self, kept, how=choose: how(kept))
                assert_agree(executor, values, clip, plan)
