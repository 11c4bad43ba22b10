"""Where in a clip the work goes: a plan at the resolution of the clip's own frames."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dance_lib.aap.plan import PruningPlan
from dance_lib.models.structure import Structure


def kept_work(structure: Structure, plan: PruningPlan, branches: Sequence[str] = ()) -> Tensor:
    """Share of the branches' dense work that is done for each frame and pixel of the clip.

    A branch decides about frames and tiles of its own output; each stands for the clip's frames and
    pixels it lies over. Branches count by their dense MACs, channels do not count.

    Args:
        branches: only these; all of them where none is named.

    Returns:
        (N, T, H, W) in [0, 1]: 1 where all branches compute, 0 where none does.
    """
    return _shares(structure, branches, len(plan), structure.clip_shape[1:], plan.positions)


def kept_frames(structure: Structure, plan: PruningPlan, branches: Sequence[str] = ()) -> Tensor:
    """Share of the branches' dense work, all tiles taken as kept, done for each frame: (N, T)."""
    frames = structure.clip_shape[1:2]
    return _shares(structure, branches, len(plan), frames, plan.frames.__getitem__)


def _shares(
    structure: Structure,
    branches: Sequence[str],
    clips: int,
    size: Sequence[int],
    kept_of: Callable[[str], Tensor],
) -> Tensor:
    """(N, *size): what branches keep, spread over the clip and weighted by their dense MACs.

    Args:
        kept_of: a branch's last unit -> bool (N, ...), as many axes as `size`.
    """
    work = torch.zeros(clips, *size)
    total = 0
    for name in branches or structure.branches:
        branch = structure.branches[name]
        macs = sum(structure.units[unit].dense_macs for unit in branch.units)
        kept = kept_of(branch.units[-1])
        for dim, places in enumerate(size, start=1):
            kept = kept.index_select(dim, _over(places, kept.shape[dim]))
        work += macs * kept
        total += macs
    return work / total


def _over(size: int, cells: int) -> Tensor:
    """The cell that each of `size` positions lies in: ⌊i·cells/size⌋."""
    return torch.arange(size) * cells // size
