"""What pruning needs to know of a network: its stem, branches and units, as plain data.

`find.find_structure` makes it from a network's torch.fx graph; plans, executors, meters read it.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

import torch
from torch import Tensor, fx, nn

from dance_lib.arguments import Size
from dance_lib.errors import DanceError

Triple = tuple[int, int, int]
Shape = tuple[Size, Size, Size, Size]  # (C, T, H, W)
OTHER = "other"  # in tables, all that is no unit: stem, shortcuts, head, controller


class StructureError(DanceError):
    """A network that can't be understood; the message names the module."""


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer as the meter sees it: what it reads, holds and writes."""

    name: str
    macs: int
    weights: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Unit:
    """A prunable convolution with the norm and activation that follow it.

    Attributes:
        name: module path of the convolution.
        branch: name of the branch it belongs to.
        node: fx node whose value is the unit's output, which the mask multiplies.
        in_shape, out_shape: (C, T, H, W).
        to_output: strides (t, h, w) of all that stands between it and the branch's last unit.
        sources: where the input's channels come from, in order: pairs of a unit's name (None for
            the residual stream, which is never pruned) and a number of channels.
        shares: the unit whose channel mask this one must equal (grouped convolutions).
        prunable_channels: False where a grouped convolution reads channels nobody prunes.
        weights: number of weights and biases.
    """

    name: str
    branch: str
    node: str
    in_shape: Shape
    out_shape: Shape
    to_output: Triple
    kernel: Triple
    stride: Triple
    padding: Triple
    dilation: Triple
    groups: int
    sources: tuple[tuple[str | None, int], ...]
    shares: str | None
    prunable_channels: bool
    weights: int

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates of the whole convolution, padding included."""
        return prod(self.out_shape) * self.in_shape[0] // self.groups * prod(self.kernel)


@dataclass(frozen=True)
class Branch:
    """The units between a fork of the residual stream and its sum; one unit in a plain network.

    Attributes:
        size: (T, H, W) of its output, at which frames and tiles are decided.
        grid: (G_h, G_w) cells of the tile grid there.
        droppable: whether a shortcut passes when the branch is dropped.
    """

    name: str
    units: tuple[str, ...]
    size: Triple
    grid: tuple[int, int]
    droppable: bool


@dataclass(frozen=True)
class Structure:
    """Stem, branches and units of one network at one clip shape.

    Attributes:
        graph: the network's graph; its module targets are paths in the network.
        classes: number of logits.
        stem: fx node of the stem's output; stem_shape: (C, T, H, W) of it.
        units, branches: by name, in order of execution.
        others: convolutions and linear layers that always run in full.
        pools: fx node of each global average pool inside a branch, and the unit it averages.
        group_size: consecutive channels that one channel gate opens.
    """

    graph: fx.Graph
    clip_shape: Shape
    classes: int
    stem: str
    stem_shape: Shape
    units: dict[str, Unit]
    branches: dict[str, Branch]
    others: tuple[Layer, ...]
    pools: dict[str, str]
    group_size: int

    def __post_init__(self) -> None:
        for name in ("channel_owners", "_cells"):  # torch.compile can't enter the lock of either
            getattr(self, name)

    @cached_property
    def dense_macs(self) -> int:
        """MACs of the whole network on one clip."""
        return sum(unit.dense_macs for unit in self.units.values()) + self.other_macs

    @cached_property
    def other_macs(self) -> int:
        """MACs of everything that is not a unit: stem, shortcuts, head."""
        return sum(layer.macs for layer in self.others)

    def channel_owner(self, name: str) -> str | None:
        """The unit whose gates decide the channels of unit `name`; None if never pruned."""
        unit = self.units[name]
        if unit.shares is not None:
            return self.channel_owner(unit.shares)
        return name if unit.prunable_channels else None

    @cached_property
    def channel_owners(self) -> tuple[str, ...]:
        """Units with channel gates of their own."""
        return tuple(name for name in self.units if self.channel_owner(name) == name)

    def groups(self, name: str) -> int:
        """Number of channel groups of unit `name`; the last may be smaller."""
        return ceil(self.units[name].out_shape[0] / self.group_size)

    def spread_channels(self, name: str, gates: Tensor) -> Tensor:
        """Gates of channel groups at every channel: (N, groups) -> (N, C_u)."""
        channels = self.units[name].out_shape[0]
        return gates.repeat_interleave(self.group_size, dim=1)[:, :channels]

    def spread_frames(self, name: str, gates: Tensor) -> Tensor:
        """A branch's frame gates at unit `name`'s resolution: (N, T_b) -> (N, T_u)."""
        return gates[:, self._cells[name][0].to(gates.device)]

    def spread_features(self, name: str, gates: Tensor) -> Tensor:
        """A branch's tile gates at unit `name`'s resolution: (N, G_h, G_w) -> (N, H_u, W_u)."""
        _, rows, columns = (cells.to(gates.device) for cells in self._cells[name])
        return gates[:, rows][:, :, columns]

    @cached_property  # asked for every clip that is planned
    def _cells(self) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """For each unit, which gate of its branch every frame (T_u,), row and column belongs to.

        Position h stands over ⌊h/s⌋ of the branch's output, which lies in cell ⌊h·G/H⌋.
        """
        cells = {}
        for unit in self.units.values():
            branch = self.branches[unit.branch]
            counts = (branch.size[0], *branch.grid)
            sizes = zip(unit.out_shape[1:], unit.to_output, branch.size, counts, strict=True)
            t, h, w = (
                (torch.arange(size) // stride).clamp(max=below - 1) * count // below
                for size, stride, below, count in sizes
            )
            cells[unit.name] = t, h, w
        return cells


def module_of(network: nn.Module, node: fx.Node) -> nn.Module | None:
    """The module that a call_module node runs, or None for any other node."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None
