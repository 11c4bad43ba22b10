"""Random changes to training clips of real video.

torchvision's transforms draw one change for a whole batch from torch's global generator. Here each
clip gets its own, from the generator of the epoch, so that training repeats exactly.
"""

import torch
from torch import Tensor

from dance_lib import shard
from dance_lib.arguments import Share, checked
from dance_lib.data.clips import Augment


@checked
def augmentation(*, flip: bool = False, shift: Share = 0.1, brightness: Share = 0.2) -> Augment:
    """Build a function (clips (N, 3, T, H, W) in [0, 1], generator) -> clips of the same shape.

    Args:
        flip: mirror every other clip. Off unless asked for: it turns left into right, which
            changes the class of some actions (all moves and turns of the built-in set).
        shift: at most so far, as a share of height and width, is a clip moved; black comes in.
        brightness: pixels are multiplied by 1 ± at most this.
    """

    def augment(clips: Tensor, generator: torch.Generator) -> Tensor:
        if flip:
            clips = _flip(clips, generator)
        if shift:
            clips = _shift(clips, shift, generator)
        if brightness:
            clips = _brighten(clips, brightness, generator)
        return clips

    return augment


def _flip(clips: Tensor, generator: torch.Generator) -> Tensor:
    mirrored = shard.uniform(len(clips), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None, None], clips.flip(-1), clips)


def _shift(clips: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Move each clip by whole pixels, the same in all of its frames."""
    height, width = clips.shape[-2:]
    reach = torch.tensor([share * height, share * width])
    moves = ((2 * shard.uniform(len(clips), 2, generator=generator) - 1) * reach).round().long()
    moved = torch.zeros_like(clips)
    for target, source, (down, right) in zip(moved, clips, moves.tolist(), strict=True):
        to_rows, from_rows = _overlap(down, height)
        to_columns, from_columns = _overlap(right, width)
        target[..., to_rows, to_columns] = source[..., from_rows, from_columns]
    return moved


def _overlap(move: int, length: int) -> tuple[slice, slice]:
    """Where pixels go and where they come from when `length` of them move by `move`."""
    return slice(max(move, 0), length + min(move, 0)), slice(max(-move, 0), length - max(move, 0))


def _brighten(clips: Tensor, reach: float, generator: torch.Generator) -> Tensor:
    factor = 1 + reach * (2 * shard.uniform(len(clips), 1, 1, 1, 1, generator=generator) - 1)
    return (clips * factor).clamp_(0, 1)
