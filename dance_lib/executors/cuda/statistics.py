"""What the controller's statistics are made of, read off the stem's output in one pass."""

import torch
from torch import Tensor
from triton import cdiv, next_power_of_2

from dance_lib.aap.statistics import Sums
from dance_lib.executors.cuda.convolution import laid_out
from dance_lib.executors.cuda.kernels import GROUP, summarise
from dance_lib.executors.cuda.layout import whole

TILE = 4096  # values that a program holds


def sums_of(maps: Tensor) -> Sums:
    """As `aap.statistics.sums_of`, of (N, C, T, H, W) on the device; sums are float32."""
    N, C, T, H, W = maps.shape
    x, P, steps = laid_out(maps), H * W, max(1, T - 1)
    width = next_power_of_2(C)
    block = max(16, TILE // width)
    blocks = cdiv(P, block)
    partial = torch.empty(N, T, blocks, 4, C, device=x.device)
    moved, places = torch.empty(2, N, T, H, W, device=x.device)
    summarise[(N * T, blocks)](
        x, partial, moved, places, T, P, whole(C) // GROUP, C, blocks, width, block
    )
    of_frames = partial.sum(2) / P  # (N, T, 4, C)
    mean, square, zeros, motion = of_frames.permute(2, 0, 3, 1)  # (N, C, T) each
    return Sums(
        mean=mean,
        square=square,
        zeros=zeros.mean(2),
        motion=motion.sum(2) / steps,
        moved=moved[:, :steps] / C,  # of one frame: zeros
        places=places.mean(1) / C,
    )
