"""The pruning plan: one immutable object, known once the stem has run."""

from collections.abc import Callable, Mapping, Sequence
from math import floor, prod
from types import MappingProxyType
from typing import Any, Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from dance_lib.aap.masks import Masks
from dance_lib.arguments import Seed, Size, checked
from dance_lib.errors import DanceError
from dance_lib.models.structure import Branch, Structure

Axis = Literal["frames", "channels", "features"]
AXES: tuple[Axis, ...] = ("frames", "channels", "features")


class PlanError(DanceError):
    """A plan that does not fit a network; the message names the unit."""


@runtime_checkable
class DanceNetwork(Protocol):
    """`Dance`, or whatever else has its structure: stem, branches and units."""

    structure: Structure


class PruningPlan(Masks):
    """For every unit and clip, which frames, channels and features are kept.

    Attributes:
        frames[u]: bool (N, T_u). channels[u]: bool (N, C_u). features[u]: bool (N, H_u, W_u);
            all at the unit's own resolution, groups and tiles spread out.

    Raises:
        PlanError: the axes name different units, or an entry is not a bool tensor of its shape.
    """

    def __init__(
        self,
        frames: Mapping[str, Tensor],
        channels: Mapping[str, Tensor],
        features: Mapping[str, Tensor],
    ) -> None:
        for axis, entries in zip(AXES, (frames, channels, features), strict=True):
            if not isinstance(entries, Mapping) or not entries:
                raise PlanError(
                    f"{axis} must map at least one unit to a tensor, not {entries!r:.60}"
                )
        first = next(iter(frames.values()))
        batch = len(first) if isinstance(first, Tensor) and first.dim() else 0
        for axis, entries, dims in zip(AXES, (frames, channels, features), (2, 2, 3), strict=True):
            if tuple(entries) != tuple(frames):
                raise PlanError(f"{axis} names other units than frames, or in another order")
            for unit, entry in entries.items():
                shape = tuple(entry.shape) if isinstance(entry, Tensor) else ()
                ok = len(shape) == dims and entry.dtype == torch.bool and shape[0] == batch
                if not ok or entry.device.type == "meta":  # which holds no values
                    tensor = isinstance(entry, Tensor)
                    kind = f"{entry.dtype} {shape} on {entry.device}" if tensor else type(entry)
                    raise PlanError(
                        f"{axis}[{unit!r}] must be a bool tensor of {dims} axes for {batch} clips, "
                        f"not {kind}"
                    )
        super().__init__(*(MappingProxyType(dict(m)) for m in (frames, channels, features)))

    def __len__(self) -> int:
        return len(self.frames[self.units[0]])

    def __reduce__(self) -> tuple[Any, ...]:  # a read-only mapping can't be pickled or copied
        return type(self), tuple(dict(getattr(self, axis)) for axis in AXES)

    def __repr__(self) -> str:
        rates = ", ".join(f"{axis} {self._rate(axis):.2f}" for axis in AXES)
        return f"PruningPlan({len(self)} clips, {len(self.units)} units; kept: {rates})"

    def _rate(self, axis: str) -> float:
        entries = getattr(self, axis).values()
        return sum(e.float().mean().item() for e in entries) / len(self.units)

    def __getitem__(self, clips: int | slice | Sequence[int] | Tensor) -> Self:
        """The plans of some clips, in the order asked for; `plan[permutation]` shuffles them."""
        index: Any = [clips] if isinstance(clips, int) else clips
        index = list(index) if isinstance(index, tuple) else index  # a tuple would index axes
        try:
            return self._each(lambda entry: entry[index])
        except (IndexError, TypeError) as error:  # an IndexError ends a loop over the plan
            raise IndexError(f"no clips {clips!r} in a plan of {len(self)} clips") from error

    def to(self, device: torch.device | str) -> Self:
        """The same plan on another device."""
        try:
            return self._each(lambda entry: entry.to(device=device))
        except (RuntimeError, TypeError, AssertionError) as error:
            raise PlanError(f"no device {device!r}: {str(error).splitlines()[0]}") from error

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*({u: change(e) for u, e in getattr(self, a).items()} for a in AXES))

    @classmethod
    def cat(cls, plans: Sequence[Self]) -> Self:
        """The plans of several batches as one.

        Raises:
            PlanError: no plans, or plans of different networks.
        """
        if not isinstance(plans, Sequence) or not plans:
            raise PlanError("no plans to join: give a list of them")
        for plan in plans:
            as_plan(plan)
        units = plans[0].units
        sizes = [[(u, e.shape[1:]) for a in AXES for u, e in getattr(p, a).items()] for p in plans]
        if any(size != sizes[0] for size in sizes):
            raise PlanError("plans of different networks can't be joined")
        joined = ({u: torch.cat([getattr(p, a)[u] for p in plans]) for u in units} for a in AXES)
        return cls(*joined)

    @classmethod
    @checked
    def full(cls, net: DanceNetwork, batch: Size = 1) -> Self:
        """Everything kept."""
        units = net.structure.units.values()
        return cls(
            {u.name: torch.ones(batch, u.out_shape[1], dtype=torch.bool) for u in units},
            {u.name: torch.ones(batch, u.out_shape[0], dtype=torch.bool) for u in units},
            {u.name: torch.ones(batch, *u.out_shape[2:], dtype=torch.bool) for u in units},
        )

    @classmethod
    @checked
    def random(
        cls,
        net: DanceNetwork,
        batch: Size = 1,
        *,
        frames: float = 1.0,
        channels: float = 1.0,
        features: float = 1.0,
        seed: Seed = 0,
    ) -> Self:
        """Keep exact shares at random: frames and tiles of branches, channel groups of units.

        Args:
            frames, channels, features: keep rates in (0, 1]; the count is rounded half up, at
                least one.

        Raises:
            PlanError: a rate outside (0, 1].
        """
        for axis, rate in zip(AXES, (frames, channels, features), strict=True):
            if not 0 < rate <= 1:
                raise PlanError(f"keep rate of {axis} must lie in (0, 1], not {rate}")
        generator = torch.Generator().manual_seed(seed)
        structure = net.structure

        def draw(rate: float, *size: int) -> Tensor:
            count = prod(size)
            kept = max(1, floor(rate * count + 0.5))
            order = torch.rand(batch, count, generator=generator).argsort(1)
            return (order < kept).reshape(batch, *size)

        branches = structure.branches.values()
        return cls.from_decisions(
            structure,
            frames={b.name: draw(frames, b.size[0]) for b in branches},
            tiles={b.name: draw(features, *b.grid) for b in branches},
            channels={u: draw(channels, structure.groups(u)) for u in structure.channel_owners},
        )

    @classmethod
    def from_decisions(
        cls,
        structure: Structure,
        *,
        frames: Mapping[str, Tensor],
        tiles: Mapping[str, Tensor],
        channels: Mapping[str, Tensor],
    ) -> Self:
        """Spread decisions to every unit and close dropped branches.

        Args:
            frames: by branch, (N, T_b). tiles: by branch, (N, G_h, G_w).
            channels: by unit with gates of its own, (N, groups).
        """
        # A plan is made for every clip that is run: few operations, on decisions not yet spread.
        try:
            axes = [{n: e > 0.5 for n, e in axis.items()} for axis in (frames, tiles, channels)]
            masks = spread(structure, frames=axes[0], tiles=axes[1], channels=axes[2])
        except (StopIteration, AttributeError, LookupError, RuntimeError, TypeError) as error:
            raise PlanError(
                "frames, tiles and channels must be decisions that do not contradict structure: "
                f"{error!r}"
            ) from error
        kept = [dict(getattr(masks, axis)) for axis in AXES]
        for branch in structure.branches.values():
            keeps = ~(_closed(kept[0], branch) | _closed(kept[2], branch))
            if not keeps.all():
                for entries in kept:
                    for unit in branch.units:
                        shape = (-1, *[1] * (entries[unit].dim() - 1))
                        entries[unit] = entries[unit] & keeps.reshape(shape)
        return cls(*kept)

    def check(self, structure: Structure) -> None:
        """Refuse a plan that can't be carried out on this network.

        Raises:
            PlanError: other units, wrong shapes, a grouped convolution whose channels differ from
                its input's or that nobody may prune, or an empty unit of a plain network.
        """
        if not isinstance(structure, Structure):
            raise PlanError(f"{structure!r:.60} is no Structure; a network has one, as `structure`")
        if self.units != tuple(structure.units):
            odd = sorted(set(self.units) ^ set(structure.units)) or ["the order of units"]
            raise PlanError(f"the plan is for another network: {odd[0]!r} does not match")
        for name, unit in structure.units.items():
            C, T, H, W = unit.out_shape
            for axis, size in zip(AXES, ((T,), (C,), (H, W)), strict=True):
                shape = tuple(getattr(self, axis)[name].shape[1:])
                if shape != size:
                    raise PlanError(f"{axis}[{name!r}] is {shape}, the unit's output has {size}")
            self._check_channels(structure, name)
            if not structure.branches[unit.branch].droppable:
                empty = ~(self.frames[name].any(1) & self.features[name].flatten(1).any(1))
                if empty.any():
                    raise PlanError(
                        f"unit {name!r} of a plain network has no shortcut: keep at least one "
                        f"frame and one tile (clip {int(empty.nonzero()[0])} keeps none)"
                    )

    def _check_channels(self, structure: Structure, name: str) -> None:
        unit = structure.units[name]
        kept = self.channels[name]
        if unit.shares is not None and not torch.equal(kept, self.channels[unit.shares]):
            raise PlanError(
                f"grouped convolution {name!r} must keep the channels of its input {unit.shares!r}"
            )
        if not unit.prunable_channels and not (kept.all(1) | ~kept.any(1)).all():
            raise PlanError(f"grouped convolution {name!r} reads channels that are never pruned")


def spread(
    structure: Structure,
    *,
    frames: Mapping[str, Tensor],
    tiles: Mapping[str, Tensor],
    channels: Mapping[str, Tensor],
) -> Masks:
    """Decisions of branches and owners at the resolution of every unit; gradients pass.

    Shapes as in `PruningPlan.from_decisions`.
    """
    like = next(iter(frames.values()))
    kept: tuple[dict[str, Tensor], ...] = ({}, {}, {})
    of_size: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}  # units of one size share theirs
    for name, unit in structure.units.items():
        owner = structure.channel_owner(name)
        size = (unit.branch, unit.out_shape[1:], unit.to_output)
        if size not in of_size:
            of_size[size] = (
                structure.spread_frames(name, frames[unit.branch]),
                structure.spread_features(name, tiles[unit.branch]),
            )
        kept[0][name], kept[2][name] = of_size[size]
        kept[1][name] = (
            like.new_ones(len(like), unit.out_shape[0])
            if owner is None
            else structure.spread_channels(name, channels[owner])
        )
    return Masks(*kept)


def _closed(entries: Mapping[str, Tensor], branch: Branch) -> Tensor:
    """(N,): whether the branch's output keeps nothing on this axis."""
    return ~entries[branch.units[-1]].flatten(1).any(1)


def as_plan(value: Any) -> PruningPlan:
    """The value, if it is a plan.

    Raises:
        PlanError: it is something else.
    """
    if not isinstance(value, PruningPlan):
        raise PlanError(f"plan must be a PruningPlan, not {type(value).__name__}")
    return value
