"""A trained controller at another budget: one constant added to all of its gate logits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dance_lib.aap.controller import Controller
from dance_lib.aap.statistics import Statistics
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance

FARTHEST = 8.0  # a shift by which every gate of a trained controller is closed, or open


def shift_for(
    net: Dance,
    statistics: Sequence[Statistics],
    budget: float,
    tolerance: float = 0.002,
    halvings: int = 30,
    join: Callable[[Tensor], Tensor] = lambda ratios: ratios,
) -> float:
    """The shift of all gate logits that brings the mean R of some clips to a budget.

    Found by bisection, no shift being tried first. R has steps: where none meets the budget, it is
    the nearest of those tried. The controller stays as it is.

    Args:
        net: in evaluation mode.
        statistics: of the clips, in batches, as `Dance.statistics` gives them.
        tolerance: distance of the mean R from the budget that is near enough.
        halvings: how often the interval [-8, 8] is halved at most.
        join: R of these clips, (n,) -> of all clips, where other processes have the rest.
    """
    low, high = -FARTHEST, FARTHEST
    missed_by: dict[float, float] = {}
    for _ in range(halvings):
        middle = (low + high) / 2
        ratio = join(ratios_at(net, statistics, middle)).mean().item()
        missed_by[middle] = abs(ratio - budget)
        if missed_by[middle] < tolerance:
            break
        low, high = (low, middle) if ratio > budget else (middle, high)
    return min(missed_by, key=missed_by.__getitem__)


@torch.no_grad()
def mean_ratio(net: Dance, statistics: Sequence[Statistics], shift: float = 0.0) -> float:
    """Mean R of the clips of these statistics, all gate logits shifted."""
    return ratios_at(net, statistics, shift).mean().item()


@torch.no_grad()
def ratios_at(net: Dance, statistics: Sequence[Statistics], shift: float = 0.0) -> Tensor:
    """R of each clip of these statistics, (N,), all gate logits shifted."""
    with shifted(net.controller, shift):
        ratios = [
            mac_ratios(net.structure, net.controller.decide(s), net.controller.macs)
            for s in statistics
        ]
    return torch.cat(ratios)


@torch.no_grad()
def shift_gates(controller: Controller, shift: float) -> None:
    """Add a constant to all gate logits, for good."""
    for head in controller.logit_heads():
        if head.bias is not None:
            head.bias.add_(shift)


@contextmanager
def shifted(controller: Controller, shift: float) -> Iterator[None]:
    """While open, all gate logits are shifted."""
    biases = [head.bias for head in controller.logit_heads() if head.bias is not None]
    trained = [bias.detach().clone() for bias in biases]
    shift_gates(controller, shift)
    try:
        yield
    finally:
        with torch.no_grad():  # not by the opposite shift, which would round
            for bias, before in zip(biases, trained, strict=True):
                bias.copy_(before)
