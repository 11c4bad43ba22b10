"""Plans to hold the controller's against: do they have to be its own, and per clip?

A wide spread of R can be a static plan in disguise. Plans are worth something only if they serve
their own clip better than another's, and better than one plan for all.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.models.structure import Structure


def shuffled(plan: PruningPlan, seed: int = 0) -> PruningPlan:
    """Every clip runs another clip's plan: a random cyclic order, so no clip keeps its own."""
    order = torch.randperm(len(plan), generator=torch.Generator().manual_seed(seed))
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return plan[other]


def majority(plan: PruningPlan, clips: int, structure: Structure) -> PruningPlan:
    """One static plan for all clips: what at least half of the given plans keep.

    Args:
        plan: plans of training clips.
        clips: for how many clips it is repeated.
        structure: of the network; its grouped convolutions and dropped branches are respected.
    """
    kept = {
        axis: {u: e.float().mean(0, keepdim=True) >= 0.5 for u, e in getattr(plan, axis).items()}
        for axis in AXES
    }
    for branch in structure.branches.values():
        last = branch.units[-1]
        for axis in ("frames", "features"):  # a plain network keeps its best
            if not branch.droppable and not kept[axis][last].any():
                for unit in branch.units:
                    rates = getattr(plan, axis)[unit].float().mean(0, keepdim=True)
                    kept[axis][unit] = rates == rates.max()
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
