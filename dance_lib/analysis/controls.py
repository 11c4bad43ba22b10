"""Plans to hold the controller's against: do they have to be its own, and per clip?

A wide spread of R can be a static plan in disguise. Plans are worth something only if they serve
their own clip better than another's, and better than one plan for all.
"""

import torch
from torch import Tensor

from dance_lib.aap.plan import PruningPlan
from dance_lib.models.structure import Structure
from dance_lib.rivals import plans as static


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
        structure: of the network.
    """
    return static.repeated(static.majority(plan, structure), clips)


def inverted(plan: PruningPlan, structure: Structure) -> PruningPlan:
    """Keep what was dropped and drop what was kept, of frames, channel groups and tiles.

    If a plan only tells the backbone what the controller saw, its inverse tells as much. Where a
    clip keeps all frames, tiles or groups of a branch, that says nothing and stays; a branch that
    is kept whole is dropped, and the other way round. A plain network drops none.
    """
    frames, tiles, channels = static.gates_of(plan, structure)
    other_frames, other_tiles, other_channels = (
        {name: ~e | _whole(e).reshape(-1, *[1] * (e.dim() - 1)) for name, e in gates.items()}
        for gates in (frames, tiles, channels)
    )
    for name, branch in structure.branches.items():
        if branch.droppable:
            of_units = [channels[u] for u in branch.units if u in channels]
            whole = [_whole(e) for e in (frames[name], tiles[name], *of_units)]
            other_frames[name] &= ~torch.stack(whole).all(0)[:, None]
    return PruningPlan.from_decisions(
        structure, frames=other_frames, tiles=other_tiles, channels=other_channels
    )


def _whole(kept: Tensor) -> Tensor:
    """(N, ...) bool -> (N,): whether a clip keeps all of it."""
    return kept.flatten(1).all(1)


def random_like(plan: PruningPlan, structure: Structure, seed: int = 0) -> PruningPlan:
    """Per clip and unit as many kept frames, channel groups and tiles as in the plan, elsewhere.

    Frames and tiles are drawn once a branch, channel groups once for all units that share them,
    as the controller decides them.
    """
    generator = torch.Generator().manual_seed(seed)
    gates = static.gates_of(plan, structure)
    frames, channels, tiles = (
        {name: _redrawn(kept, generator) for name, kept in gates[i].items()} for i in (0, 2, 1)
    )  # in the order in which the study's plans were drawn
    return PruningPlan.from_decisions(structure, frames=frames, tiles=tiles, channels=channels)


def _redrawn(kept: Tensor, generator: torch.Generator) -> Tensor:
    """As many True a clip as before, at random places: (N, ...) bool -> the same shape."""
    flat = kept.flatten(1)
    order = torch.rand(flat.shape, generator=generator).argsort(1).argsort(1)
    return (order < flat.sum(1, keepdim=True)).reshape(kept.shape)
