"""Holds the executor for GPUs against the masked one in float64, as `tests.executors.agreement`."""

from functools import cache

import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.executors.cuda.executor import SparseCuda
from tests.executors.agreement import assert_agree, clips, expected
from tests.networks import FAMILIES, randomise
from tests.plans import by_unit

CLIP = (3, 4, 19, 21)  # odd sizes, few positions: the interpreter is slow


@cache
def family(name):
    """A network of a family in evaluation, drawn once; nobody may change it."""
    return Dance(randomise(FAMILIES[name](), list(FAMILIES).index(name)), CLIP).eval()


def executor_of(net, dtype):
    """An executor whose PyTorch convolutions give maps channels last, as a GPU's do."""
    executor = SparseCuda(net, dtype)

    def channels_last(module, inputs, output):
        return output.contiguous(memory_format=torch.channels_last_3d)

    for part in (executor._stem, executor._body):
        for module in part.modules():
            if isinstance(module, nn.Conv3d):
                module.register_forward_hook(channels_last)
    return executor


@cache
def fast(name, dtype):
    """The executor of a family; nobody may change it."""
    return executor_of(family(name), dtype)


def plan_of_each_kind(net):
    """Four clips: all kept; by rates; by unit without a branch; by unit."""
    droppable = [b.name for b in net.structure.branches.values() if b.droppable]
    return PruningPlan.cat(
        [
            PruningPlan.full(net),
            PruningPlan.random(net, frames=0.5, channels=0.5, features=0.6, seed=4),
            by_unit(net, 2, 1, {0: droppable[0]} if droppable else {}),
        ]
    )


def check(executor, net, plan):
    """Every unit and the logits of every clip within the bound of the executor's dtype."""
    clip = clips(net, len(plan))
    assert_agree(executor, expected(net, clip, plan), clip, plan)


def check_network(network, shape, dtype=torch.float32, plans=plan_of_each_kind):
    """The same of a network drawn anew."""
    net = Dance(randomise(network), shape).eval()
    check(executor_of(net, dtype), net, plans(net))
