"""Statistics of the stem's output: all that the controller sees of a clip.

From the abstract: pruning is decided from "statistics of the outputs of the first layer". Which
statistics is ours: how active each channel, frame and tile is, and how much it moves.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dance_lib import shard
from dance_lib.errors import DanceError
from dance_lib.models.structure import Shape

STILL = 1e-3  # motion below which nothing moves, in units of the stem's output


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the stem's output F (N, C, T, H, W), in its own units.

    Attributes:
        channels: (N, 4, C): mean, standard deviation, share of zeros, motion E|F(t+1) − F(t)|.
        frames: (N, 4, T): mean, standard deviation, log motion, and the largest log motion in any
            tile; a frame's motion is the larger of those against the frame before and after it.
        tiles: (N, 3, G_h, G_w): mean, log motion, and the largest log motion at any time.

    The largest values are what a small actor for a short while leaves its mark on: a mean over
    the whole clip or frame drowns it. Motion spans orders of magnitude between a still and a moving
    camera, so it is the logarithm that is of a size everywhere.
    """

    channels: Tensor
    frames: Tensor
    tiles: Tensor


class Average(nn.Module):
    """Statistics -> their mean over the clips seen in training, the same for every clip.

    Of maps (C, T, H, W). Frames and tiles keep what tells them from each other on average;
    channels, which would only say what clip this is, are zero.
    """

    SLOWEST = 0.01  # least weight of a batch: the mean is over the last hundred or so

    def __init__(self, shape: Shape, grid: int = 7) -> None:
        super().__init__()
        self.frames = nn.Buffer(torch.zeros(4, shape[1]))
        self.tiles = nn.Buffer(torch.zeros(3, *_cells(shape[2], shape[3], grid)))
        self.batches = nn.Buffer(torch.tensor(0))

    def forward(self, statistics: Statistics) -> Statistics:
        """In training it takes these in first."""
        if self.training:
            with torch.no_grad():
                self.batches.add_(1)
                weight = max(self.SLOWEST, 1 / int(self.batches))
                self.frames.lerp_(shard.average(statistics.frames.mean(0)), weight)
                self.tiles.lerp_(shard.average(statistics.tiles.mean(0)), weight)
        clips = len(statistics.frames)
        return Statistics(
            torch.zeros_like(statistics.channels),
            self.frames.expand(clips, -1, -1),
            self.tiles.expand(clips, -1, -1, -1),
        )


@dataclass(frozen=True, eq=False)
class Sums:
    """What statistics are made of: one pass over the maps, all means.

    Attributes:
        mean, square: E[F], E[F²] of each channel and frame, (N, C, T).
        zeros: share of zeros of each channel, (N, C).
        motion: E|F(t+1) − F(t)| of each channel, (N, C).
        moved: the same of each step and place, (N, T − 1, H, W); zeros (N, 1, H, W) where T is 1.
        places: E[F] of each place, (N, H, W).
    """

    mean: Tensor
    square: Tensor
    zeros: Tensor
    motion: Tensor
    moved: Tensor
    places: Tensor


def stem_statistics(maps: Tensor, grid: int = 7) -> Statistics:
    """Statistics of (N, C, T, H, W) maps; a clip of one frame has no motion (0)."""
    if not isinstance(maps, Tensor) or maps.dim() != 5 or not maps.is_floating_point():
        shape = tuple(getattr(maps, "shape", ())), getattr(maps, "dtype", type(maps).__name__)
        raise DanceError(f"maps must be a float tensor (N, C, T, H, W), not {shape}")
    if not isinstance(grid, int) or grid < 1:
        raise DanceError(f"grid must be at least one cell, not {grid!r:.60}")
    return statistics_of(sums_of(maps), grid)


def sums_of(maps: Tensor) -> Sums:
    """Means of (N, C, T, H, W) maps that their statistics are made of."""
    motion = (maps[:, :, 1:] - maps[:, :, :-1]).abs()  # (N, C, T - 1, H, W)
    if maps.shape[2] == 1:
        motion = torch.zeros_like(maps)
    return Sums(
        mean=maps.mean((3, 4)),
        square=(maps**2).mean((3, 4)),
        zeros=(maps == 0).to(maps.dtype).mean((2, 3, 4)),
        motion=motion.mean((2, 3, 4)),
        moved=motion.mean(1),
        places=maps.mean((1, 2)),
    )


def statistics_of(sums: Sums, grid: int = 7) -> Statistics:
    """Statistics from their sums; tiles are the cells of a grid."""
    mean, square = sums.mean, sums.square
    (H, W), T = sums.places.shape[1:], mean.shape[2]
    channels = torch.stack(
        [mean.mean(2), _deviation(mean.mean(2), square.mean(2)), sums.zeros, sums.motion], dim=1
    )
    size = _cells(H, W, grid)
    cells = F.adaptive_avg_pool2d(sums.moved, size)  # (N, T - 1, G_h, G_w)
    frames = torch.stack(
        [
            mean.mean(1),
            _deviation(mean.mean(1), square.mean(1)),
            _log(_either_side(sums.moved.mean((2, 3)), T)),
            _log(_either_side(cells.amax((2, 3)), T)),
        ],
        dim=1,
    )
    tiles = torch.stack(
        [F.adaptive_avg_pool2d(sums.places, size), _log(cells.mean(1)), _log(cells.amax(1))], dim=1
    )
    return Statistics(channels, frames, tiles)


def _cells(height: int, width: int, grid: int) -> tuple[int, int]:
    return min(grid, height), min(grid, width)


def _either_side(steps: Tensor, frames: int) -> Tensor:
    """Of the steps between frames (N, T − 1), the larger that each frame takes part in, (N, T)."""
    if frames == 1:
        return steps
    return torch.maximum(F.pad(steps, (1, 0)), F.pad(steps, (0, 1)))  # no motion is negative


def _log(motion: Tensor) -> Tensor:
    return torch.log1p(motion / STILL)  # 0 where nothing moves


def _deviation(mean: Tensor, square: Tensor) -> Tensor:
    """Standard deviation from E[F] and E[F²]; the floor keeps the root's gradient finite."""
    return (square - mean**2).clamp(min=1e-12).sqrt()
