"""Ideal MACs: what a plan implies, exactly, whatever executor runs it.

One MAC is one multiply-accumulate. A kept output value costs one MAC for each weight that meets a
kept input channel; weights over padding or dropped neighbours count, since where they fall depends
on an executor's rounding and not on the plan alone. Works on gates too: budgets differentiate it.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dance_lib.errors import DanceError
from dance_lib.models.structure import Structure, Unit

if TYPE_CHECKING:  # `aap` stands on this module: at run time it would go round in a circle
    from dance_lib.aap.masks import Masks


def unit_macs(structure: Structure, masks: Masks) -> dict[str, Tensor]:
    """Ideal MACs of each unit, (N,) float: positions × channel pairs × kernel volume.

    Raises:
        DanceError: no structure, or masks of other units than its own.
    """
    if not isinstance(structure, Structure):
        raise DanceError(f"structure must be a network's `structure`, not {structure!r:.60}")
    if getattr(masks, "units", None) != tuple(structure.units):
        raise DanceError(f"masks must be a plan of this network, not {masks!r:.60}")
    return {
        name: kept_positions(masks, name) * channel_pairs(unit, masks) * prod(unit.kernel)
        for name, unit in structure.units.items()
    }


def kept_positions(masks: Masks, name: str) -> Tensor:
    """(N,): kept frames × kept spatial positions of a unit's output."""
    frames = _float(masks.frames[name]).sum(1)
    return frames * _float(masks.features[name]).sum((1, 2))


def kept_inputs(unit: Unit, masks: Masks) -> Tensor:
    """(N, C_in): input channels that are not pruned; those of the residual stream never are."""
    like = _float(masks.channels[unit.name])
    parts = [
        like.new_ones(len(like), count) if source is None else _float(masks.channels[source])
        for source, count in unit.sources
    ]
    return torch.cat(parts, dim=1)


def channel_pairs(unit: Unit, masks: Masks) -> Tensor:
    """(N,): pairs of a kept output channel and a kept input channel that a weight joins."""
    written = _float(masks.channels[unit.name]).unflatten(1, (unit.groups, -1)).sum(2)
    read = kept_inputs(unit, masks).unflatten(1, (unit.groups, -1)).sum(2)
    return (written * read).sum(1)  # (N, groups) -> (N,)


def mac_ratios(structure: Structure, masks: Masks, extra_macs: int = 0) -> Tensor:
    """R of each clip, (N,): ideal MACs of the whole network over dense ones.

    `extra_macs` are those of the controller, which the dense network does not have.
    """
    macs = torch.stack(list(unit_macs(structure, masks).values())).sum(0)
    if not isinstance(extra_macs, int) or extra_macs < 0:
        raise DanceError(f"extra_macs must be a number of MACs, not {extra_macs!r:.60}")
    return (macs + structure.other_macs + extra_macs) / structure.dense_macs


def branch_ratios(structure: Structure, masks: Masks) -> dict[str, Tensor]:
    """Ideal over dense MACs of each branch, (N,)."""
    macs = unit_macs(structure, masks)
    return {
        branch.name: torch.stack([macs[u] for u in branch.units]).sum(0)
        / sum(structure.units[u].dense_macs for u in branch.units)
        for branch in structure.branches.values()
    }


def _float(kept: Tensor) -> Tensor:
    # float64 would cost nothing here, but gates must keep the dtype their gradients flow in.
    return kept.double() if kept.dtype == torch.bool else kept
