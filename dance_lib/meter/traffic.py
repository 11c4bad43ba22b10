"""Ideal bytes: weights, inputs and outputs touched once. A model of memory traffic, not a meter.

Counted for convolutions and linear layers at the width of the number format. An input value is
touched where a kept output value reads it and its channel is not pruned; a weight where it joins
two kept channels; an output value where it is kept.
"""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from dance_lib.aap.masks import Masks
from dance_lib.meter.cost import channel_pairs, kept_inputs, kept_positions
from dance_lib.models.structure import Structure, Unit


def unit_bytes(structure: Structure, masks: Masks, itemsize: int = 4) -> dict[str, Tensor]:
    """Ideal bytes of each unit, (N,) float64."""
    return {name: _bytes(unit, masks) * itemsize for name, unit in structure.units.items()}


def dense_bytes(unit: Unit, itemsize: int = 4) -> int:
    """Bytes of the whole unit: as `unit_bytes` on a full plan."""
    ones = torch.ones(1, dtype=torch.bool)
    full = Masks(
        {unit.name: ones.expand(1, unit.out_shape[1])},
        {name: ones.expand(1, count) for name, count in _channel_counts(unit)},
        {unit.name: ones[:, None].expand(1, *unit.out_shape[2:])},
    )
    return int(_bytes(unit, full).item()) * itemsize


def _channel_counts(unit: Unit) -> list[tuple[str, int]]:
    named = [(source, count) for source, count in unit.sources if source is not None]
    return [*named, (unit.name, unit.out_shape[0])]


def _bytes(unit: Unit, masks: Masks) -> Tensor:
    """(N,): values touched."""
    kept = masks.channels[unit.name].double().sum(1)
    outputs = kept_positions(masks, unit.name) * kept
    kernel = prod(unit.kernel)
    biases = kept * (unit.weights > kernel * unit.out_shape[0] * unit.in_shape[0] // unit.groups)
    weights = channel_pairs(unit, masks) * kernel + biases
    frames = _read(masks.frames[unit.name][:, :, None], unit, (0,), unit.in_shape[1:2])
    region = _read(masks.features[unit.name], unit, (1, 2), unit.in_shape[2:])
    channels = kept_inputs(unit, masks).sum(1)
    active = (outputs > 0).double()  # a dropped unit touches nothing
    return active * (outputs + weights + frames.sum((1, 2)) * region.sum((1, 2)) * channels)


def _read(kept: Tensor, unit: Unit, axes: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """(N, rows, columns) of 0/1: input positions that kept outputs read, through the kernel."""

    def both(values: tuple[int, int, int], neutral: int) -> tuple[int, int]:
        picked = [values[a] for a in axes]
        return (picked[0], picked[1] if len(axes) == 2 else neutral)

    kernel = both(unit.kernel, 1)
    stride, dilation = both(unit.stride, 1), both(unit.dilation, 1)
    padding = both(unit.padding, 0)
    target = (size[0], size[1] if len(size) == 2 else 1)
    # The outputs reach back over the padded input; what the last stride leaves unread stays 0.
    reached = F.conv_transpose2d(
        kept[:, None].double(),
        torch.ones(1, 1, *kernel, dtype=torch.float64),
        stride=stride,
        dilation=dilation,
    )[:, 0]
    rows, columns = (target[i] + 2 * padding[i] for i in range(2))
    reached = F.pad(
        reached, (0, max(0, columns - reached.shape[2]), 0, max(0, rows - reached.shape[1]))
    )
    inside = reached[:, padding[0] : padding[0] + target[0], padding[1] : padding[1] + target[1]]
    return (inside > 0).double()
