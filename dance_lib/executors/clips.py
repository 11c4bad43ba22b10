"""The first convolution reads a clip of three channels: too few for a row a pixel.

A row is instead all pixels that one kernel row meets, overlapping its neighbours in memory: the
kernel's columns become channels, and nothing is copied but the padded clip.
"""

import torch
from torch import Tensor, nn

from dance_lib.executors.rows import Rows

MOST = 64  # channels of a row that are still worth it


class ClipReader:
    """Lays a normalised clip out for the first convolution.

    Attributes:
        conv: what to run on the rows: the convolution itself, or its columns as channels.
    """

    def __init__(self, conv: nn.Conv3d, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.folds = (
            conv.groups == 1
            and conv.dilation[2] == 1
            and conv.kernel_size[2] > 1
            and conv.in_channels * conv.kernel_size[2] <= MOST
        )
        self.stride, self.padding = int(conv.stride[2]), int(conv.padding[2])
        self.columns = conv.kernel_size[2]
        self.conv = _columns_as_channels(conv) if self.folds else conv

    def __call__(self, clip: Tensor) -> Rows:
        """(C, T, H, W) normalised float32 -> rows."""
        if not self.folds:
            return Rows.of(clip[None].to(self.dtype))
        C, T, H, W = clip.shape
        pitch = -(-(W + 2 * self.padding) // self.stride)  # rows from one line to the next
        line = pitch * self.stride
        # The last row reaches past the last line.
        flat = torch.zeros(T * H * line * C + (self.columns + 1) * C, dtype=self.dtype)
        lines = flat[: T * H * line * C].view(T, H, line, C)
        lines[:, :, self.padding : self.padding + W] = clip.permute(1, 2, 3, 0)
        rows = flat.as_strided((T * H * pitch, self.columns * C), (self.stride * C, 1))
        return Rows(rows, self.columns * C, (T, H, pitch))


def _columns_as_channels(conv: nn.Conv3d) -> nn.Conv3d:
    """(O, C, kt, kh, kw) -> (O, kw·C, kt, kh, 1): the same sums over rows that hold kw pixels."""
    kt, kh, kw = conv.kernel_size
    folded = nn.Conv3d(
        conv.in_channels * kw,
        conv.out_channels,
        (kt, kh, 1),
        stride=(conv.stride[0], conv.stride[1], 1),
        padding=(int(conv.padding[0]), int(conv.padding[1]), 0),
        dilation=(conv.dilation[0], conv.dilation[1], 1),
        bias=conv.bias is not None,
    )
    with torch.no_grad():
        folded.weight.copy_(conv.weight.permute(0, 4, 1, 2, 3).flatten(1, 2)[..., None])
        if conv.bias is not None:
            assert folded.bias is not None
            folded.bias.copy_(conv.bias)
    return folded
