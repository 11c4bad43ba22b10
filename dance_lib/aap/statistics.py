"""Statistics of the stem's output: all that the controller sees of a clip.

From the abstract: pruning is decided from "statistics of the outputs of the first layer". Which
statistics is ours: how active each channel, frame and tile is, and how much it moves.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the stem's output F (N, C, T, H, W), in its own units.

    Attributes:
        channels: (N, 4, C): mean, standard deviation, share of zeros, motion E|F(t+1) − F(t)|.
        frames: (N, 4, T): mean, standard deviation, motion against the frame before, and the
            largest such motion in any tile.
        tiles: (N, 3, G_h, G_w): mean, motion, and the largest motion at any time.

    The largest values are what a small actor for a short while leaves its mark on: a mean over
    the whole clip or frame drowns it.
    """

    channels: Tensor
    frames: Tensor
    tiles: Tensor


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
    size = (min(grid, H), min(grid, W))
    cells = F.adaptive_avg_pool2d(sums.moved, size)  # (N, T - 1, G_h, G_w)
    before = (1, 0) if T > 1 else (0, 0)  # the first frame has nothing before it
    frames = torch.stack(
        [
            mean.mean(1),
            _deviation(mean.mean(1), square.mean(1)),
            F.pad(sums.moved.mean((2, 3)), before),
            F.pad(cells.amax((2, 3)), before),
        ],
        dim=1,
    )
    tiles = torch.stack(
        [F.adaptive_avg_pool2d(sums.places, size), cells.mean(1), cells.amax(1)], dim=1
    )
    return Statistics(channels, frames, tiles)


def _deviation(mean: Tensor, square: Tensor) -> Tensor:
    """Standard deviation from E[F] and E[F²]; the floor keeps the root's gradient finite."""
    return (square - mean**2).clamp(min=1e-12).sqrt()
