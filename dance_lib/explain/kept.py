"""Where in a clip the work goes: a plan at the resolution of the clip's own frames."""

from collections.abc import Sequence

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
    _, T, H, W = structure.clip_shape
    work = torch.zeros(len(plan), T, H, W)
    total = 0
    for name in branches or structure.branches:
        branch = structure.branches[name]
        macs = sum(structure.units[unit].dense_macs for unit in branch.units)
        frames = plan.frames[branch.units[-1]]  # (N, T_b)
        places = plan.features[branch.units[-1]]  # (N, H_b, W_b)
        kept = frames[:, :, None, None] & places[:, None]  # (N, T_b, H_b, W_b)
        for dim, size in enumerate((T, H, W), start=1):
            kept = kept.index_select(dim, _over(size, kept.shape[dim]))
        work += macs * kept
        total += macs
    return work / total


def kept_frames(structure: Structure, plan: PruningPlan, branches: Sequence[str] = ()) -> Tensor:
    """Share of the branches' dense work, all tiles taken as kept, done for each frame: (N, T)."""
    opened = {unit: torch.ones_like(kept) for unit, kept in plan.features.items()}
    return kept_work(structure, PruningPlan(plan.frames, plan.channels, opened), branches)[
        ..., 0, 0
    ]  # (N, T, H, W) -> (N, T), the same everywhere


def _over(size: int, cells: int) -> Tensor:
    """The cell that each of `size` positions lies in: ⌊i·cells/size⌋."""
    return torch.arange(size) * cells // size
