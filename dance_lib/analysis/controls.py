"""Plans to hold the controller's against: do they have to be its own, and per clip?

A wide spread of R can be a static plan in disguise. Plans are worth something only if they serve
their own clip better than another's, and better than one plan for all.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from dance_lib.aap.plan import AXES, Axis, PruningPlan
from dance_lib.models.structure import Structure


def shuffled(plan: PruningPlan, seed: int = 0) -> PruningPlan:
    """Every clip runs another clip's plan: a random cyclic order, so no clip keeps its own."""
    order = torch.randperm(len(plan), generator=torch.Generator().manual_seed(seed))
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return plan[other]


def majority(plan: PruningPlan, clips: int, structure: Structure) -> PruningPlan:
    """One static plan for all clips: what at least half of the given plans keep.

    Where that leaves a unit no channel group, or a plain network no frame or tile, what is kept
    most often stays; a residual branch without frames or tiles is dropped.

    Args:
        plan: plans of training clips.
        clips: for how many clips it is repeated.
        structure: of the network.
    """
    rates = {
        axis: {u: e.double().mean(0, keepdim=True) for u, e in getattr(plan, axis).items()}
        for axis in AXES
    }
    kept = {axis: {u: r >= 0.5 for u, r in rates[axis].items()} for axis in AXES}

    def keep_best(axis: Axis, unit: str) -> None:
        if not kept[axis][unit].any():
            kept[axis][unit] = rates[axis][unit] == rates[axis][unit].max()

    for branch in structure.branches.values():
        last = branch.units[-1]
        for unit in branch.units:
            keep_best("channels", unit)
            if not branch.droppable:
                keep_best("frames", unit)
                keep_best("features", unit)
        if not (kept["frames"][last].any() and kept["features"][last].any()):
            for axis in AXES:
                for unit in branch.units:
                    kept[axis][unit] = torch.zeros_like(kept[axis][unit])
    return PruningPlan(
        *({u: e.expand(clips, *e.shape[1:]) for u, e in kept[axis].items()} for axis in AXES)
    )


def random_like(plan: PruningPlan, structure: Structure, seed: int = 0) -> PruningPlan:
    """Per clip and unit as many kept frames, channel groups and tiles as in the plan, elsewhere.

    Frames and tiles are drawn once a branch, channel groups once for all units that share them,
    as the controller decides them.
    """
    generator = torch.Generator().manual_seed(seed)
    frames, channels, tiles = {}, {}, {}
    for branch in structure.branches.values():
        last = branch.units[-1]
        rows, columns = _first_of_cells(branch.size[1:], branch.grid)
        frames[branch.name] = _redrawn(plan.frames[last], generator)
        tiles[branch.name] = _redrawn(plan.features[last][:, rows][:, :, columns], generator)
    for unit in structure.channel_owners:
        groups = plan.channels[unit][:, :: structure.group_size]
        channels[unit] = _redrawn(groups, generator)
    return PruningPlan.from_decisions(structure, frames=frames, tiles=tiles, channels=channels)


def _first_of_cells(size: Iterable[int], grid: Iterable[int]) -> list[Tensor]:
    """First position of each grid cell along rows and columns: the smallest h with ⌊h·G/H⌋ = g."""
    return [
        (torch.arange(cells) * length + cells - 1) // cells
        for length, cells in zip(size, grid, strict=True)
    ]


def _redrawn(kept: Tensor, generator: torch.Generator) -> Tensor:
    """As many True a clip as before, at random places: (N, ...) bool -> the same shape."""
    flat = kept.flatten(1)
    order = torch.rand(flat.shape, generator=generator).argsort(1).argsort(1)
    return (order < flat.sum(1, keepdim=True)).reshape(kept.shape)
