"""A plan on the device: one row of flags a clip, and lists of what is set in it.

All that a plan says of a clip is gathered into one row by one index, from a plan's masks or from
the controller's gates alike, and listed by one kernel: nothing of it passes through the host.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from triton import cdiv

from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import PruningPlan, spread
from dance_lib.executors.cuda.kernels import GROUP, INTERPRETED, compact
from dance_lib.models.structure import Structure

CLOSED, OPEN = 0, 1  # the first two entries of whatever is gathered from: never and always kept
SEGMENTS = 4  # of a unit: frames, places, groups of output channels, groups of input channels
BLOCK = 1024  # flags that a program reads at once, of as many segments
AT_ONCE = 256 if INTERPRETED else 1


class Place(NamedTuple):
    """Where a unit stands in a row of flags or lists (`channels`: in the flags alone)."""

    frames: int
    places: int
    outputs: int
    inputs: int
    channels: int
    counts: int


@dataclass(frozen=True, eq=False)
class PackedPlan:
    """A plan of N clips on the device; made by `Layout`.

    Attributes:
        flags: bool (N, all frames and places, then all channels).
    """

    flags: Tensor

    def __len__(self) -> int:
        return len(self.flags)


@dataclass(frozen=True, eq=False)
class Lists:
    """What kernels read of a plan.

    Attributes:
        flags: of the plan.
        kept: int32 (N, frames, places and channel groups): ascending, from each segment's start.
        counts: int32 (N, units, SEGMENTS): how many; no frames where nobody reads the unit.
    """

    flags: Tensor
    kept: Tensor
    counts: Tensor


class Layout:
    """Where the flags and lists of every unit stand.

    Args:
        structure: of the network.
        closable: units that nobody reads where the last unit of their branch keeps nothing.
        device: where plans will lie.
    """

    def __init__(
        self, structure: Structure, closable: Collection[str], device: torch.device
    ) -> None:
        self._structure, self._device = structure, device
        self.places: dict[str, Place] = {}
        segments = self._place()
        self._starts, self._lengths = (
            torch.tensor(each, dtype=torch.int32, device=device)
            for each in zip(*segments, strict=True)
        )
        self._longest = max(length for _, length in segments)
        names = list(structure.units)
        ends = [
            structure.branches[unit.branch].units[-1] if name in closable else name
            for name, unit in structure.units.items()
        ]
        self._ends = torch.tensor([names.index(end) for end in ends], device=device)
        self._from_plan = self._row(_numbered_entries(structure)).to(device)
        self._from_gates = self._row(_numbered_gates(structure)).to(device)
        self.width = len(self._from_plan)  # of a row of flags

    def of_plan(self, plan: PruningPlan) -> PackedPlan:
        """Pack masks, which may lie on any device: they are copied as one."""
        axes = (plan.frames, plan.features, plan.channels)
        masks = [mask.flatten(1) for axis in axes for mask in axis.values()]
        return self._gathered(masks, self._from_plan)

    def of_gates(self, gates: Tensor) -> PackedPlan:
        """Pack gates, bool (N, all): frames by branch, tiles by branch, channels by owner."""
        return self._gathered([gates], self._from_gates)

    def masks(self, packed: PackedPlan) -> Masks:
        """The plan's masks, bool; they share its memory. Dropped branches may still be open."""
        frames, features, channels = {}, {}, {}
        for name, unit in self._structure.units.items():
            (C, T, H, W), at = unit.out_shape, self.places[name]
            frames[name] = packed.flags[:, at.frames : at.frames + T]
            features[name] = packed.flags[:, at.places : at.places + H * W].unflatten(1, (H, W))
            channels[name] = packed.flags[:, at.channels : at.channels + C]
        return Masks(frames, channels, features)

    def lists(self, packed: PackedPlan, close: bool = True) -> Lists:
        """List what is kept; `close` what nobody reads."""
        flags, positions = packed.flags, self._positions
        groups = flags[:, positions:].unflatten(1, (-1, GROUP)).any(2)
        flat = torch.cat([flags[:, :positions], groups], 1).view(torch.uint8)  # (N, F)
        kept = torch.empty(flat.shape, dtype=torch.int32, device=flat.device)
        counts = kept.new_empty(len(flat), len(self._ends), SEGMENTS)
        compact[(len(flat), cdiv(len(self._starts), AT_ONCE))](
            flat, kept, counts, self._starts, self._lengths, flat.shape[1], len(self._starts),
            self._longest, AT_ONCE, BLOCK,
        )  # fmt: skip
        if close:
            counts[..., 0] *= (counts[:, self._ends, :3] > 0).all(2)  # (N, units)
        return Lists(flags, kept, counts)

    def _gathered(self, masks: list[Tensor], index: Tensor) -> PackedPlan:
        first = masks[0][:, :1]
        constants = [torch.zeros_like(first), torch.ones_like(first)]  # CLOSED, OPEN
        entries = torch.cat([*constants, *masks], 1).to(self._device, non_blocking=True)
        return PackedPlan(entries.index_select(1, index))

    def _place(self) -> list[tuple[int, int]]:
        """Give every unit its place; start and length of each segment of a row of lists."""
        units = self._structure.units
        sizes = [size for u in units.values() for size in (u.out_shape[1], prod(u.out_shape[2:]))]
        self._positions = sum(sizes)
        padded = [whole(u.out_shape[0]) for u in units.values()]
        padded += [whole(u.in_shape[0]) if is_listed(self._structure, name) else 0
                   for name, u in units.items()]  # fmt: skip
        sizes += [channels // GROUP for channels in padded]
        ends = torch.tensor(sizes).cumsum(0).tolist()
        starts = [end - size for end, size in zip(ends, sizes, strict=True)]
        segments = []
        for i, name in enumerate(units):
            own = (2 * i, 2 * i + 1, 2 * len(units) + i, 3 * len(units) + i)
            frames, places, outputs, inputs = (starts[s] for s in own)
            channels = self._positions + (outputs - self._positions) * GROUP
            self.places[name] = Place(frames, places, outputs, inputs, channels, SEGMENTS * i)
            segments += [(starts[s], sizes[s]) for s in own]
        return segments

    def _row(self, numbers: Masks) -> Tensor:
        """One clip's row, of whatever numbers stand for its masks."""
        units = self._structure.units
        parts = []
        for name in units:
            parts += [numbers.frames[name][0], numbers.features[name][0].flatten()]
        parts += [_padded(numbers.channels[name][0]) for name in units]
        for name, unit in units.items():
            if is_listed(self._structure, name):
                read = [
                    torch.full((count,), OPEN) if source is None else numbers.channels[source][0]
                    for source, count in unit.sources
                ]
                parts.append(_padded(torch.cat(read)))
        return torch.cat(parts)


def pointers(lists: Lists) -> tuple[Tensor | int, ...]:
    """As kernels take them: flags, lists, counts, and how far each reaches from clip to clip."""
    flags, kept, counts = lists.flags.view(torch.uint8), lists.kept, lists.counts
    return flags, kept, counts, flags.shape[1], kept.shape[1], counts[0].numel()


def whole(channels: int) -> int:
    """Channels in whole groups."""
    return cdiv(channels, GROUP) * GROUP


def is_listed(structure: Structure, name: str) -> bool:
    """Whether some input channel of a unit may be pruned."""
    return any(source is not None for source, _ in structure.units[name].sources)


def _padded(channels: Tensor) -> Tensor:
    return F.pad(channels, (0, whole(len(channels)) - len(channels)), value=CLOSED)


def _numbered(shapes: Iterable[Sequence[int]]) -> Iterator[Tensor]:
    """(1, *shape) whole numbers for each shape, from OPEN + 1 on, each once."""
    first = OPEN + 1
    for shape in shapes:
        yield torch.arange(first, first + prod(shape)).reshape(1, *shape)
        first += prod(shape)


def _numbered_entries(structure: Structure) -> Masks:
    """Masks that hold the place of each entry in what `of_plan` joins."""
    sizes = [unit.out_shape for unit in structure.units.values()]
    frame_counts, maps = [(T,) for _, T, _, _ in sizes], [(H, W) for _, _, H, W in sizes]
    each = _numbered(chain(frame_counts, maps, [(C,) for C, _, _, _ in sizes]))
    frames, features, channels = ({u: next(each) for u in structure.units} for _ in range(3))
    return Masks(frames, channels, features)


def _numbered_gates(structure: Structure) -> Masks:
    """Masks that hold, for each entry, the place of its gate in what `of_gates` joins.

    `spread` gives ones where nothing is pruned, and 1 is the place of what is always kept.
    """
    branches, owners = structure.branches, structure.channel_owners
    frame_counts = [branch.size[:1] for branch in branches.values()]
    grids = [branch.grid for branch in branches.values()]
    group_counts = [(structure.groups(name),) for name in owners]
    each = _numbered(chain(frame_counts, grids, group_counts))
    frames, tiles = ({name: next(each) for name in branches} for _ in range(2))
    channels = {name: next(each) for name in owners}
    return spread(structure, frames=frames, tiles=tiles, channels=channels)
