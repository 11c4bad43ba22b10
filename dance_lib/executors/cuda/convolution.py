"""A unit on the device: its convolution, norm and ReLU, at what the plans of a batch keep."""

from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from triton import cdiv

from dance_lib.executors.cuda.kernels import (
    CONFIGS,
    FEW_TILES,
    GROUP,
    INTERPRETED,
    SHARED,
    convolve,
    tiles,
)
from dance_lib.executors.cuda.layout import SEGMENTS, Lists, Place, pointers, whole
from dance_lib.executors.kernels import Window
from dance_lib.executors.layer import folded
from dance_lib.models.structure import Unit


class Shared(NamedTuple):
    """Where programs that share a sum leave their parts, one launch after the other.

    Attributes:
        parts: float32. tickets: int32, zeros between launches; how many have ended, by tile.
    """

    parts: Tensor
    tickets: Tensor

    @classmethod
    def on(cls, device: torch.device) -> "Shared":
        """Room enough for every launch."""
        tickets = torch.zeros(FEW_TILES, dtype=torch.int32, device=device)
        return cls(torch.empty(FEW_TILES * SHARED, device=device), tickets)


class Convolution:
    """Computes kept frames × places × channels of every clip of a batch.

    Args:
        unit: what it computes.
        conv, norm, relu: folded into it; in float32.
        place: of the unit. listed: whether its input channels are.
        shared: of the executor.
        device, dtype: of activations and weights; sums are float32.
    """

    def __init__(
        self,
        unit: Unit,
        conv: nn.Conv3d,
        norm: nn.Module | None,
        relu: bool,
        place: Place,
        listed: bool,
        shared: Shared,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.unit, self.relu, self.place, self.listed, self.dtype = unit, relu, place, listed, dtype
        self.window, self._shared = Window.of(conv), shared
        weight, bias = folded(conv, norm)
        outputs, inputs = weight.shape[:2]
        self.inputs, self.outputs = whole(inputs) // GROUP, whole(outputs) // GROUP
        missing = whole(outputs) - outputs
        panels = weight.flatten(2).permute(2, 1, 0)  # (O, I, kt, kh, kw) -> (taps, I, O)
        panels = F.pad(panels, (0, missing, 0, whole(inputs) - inputs)).flatten(0, 1)
        beyond = max(config.kwargs["K"] for config in CONFIGS)  # what a last tile reads in vain
        self._weight = F.pad(panels, (0, 0, 0, beyond)).to(device, dtype)
        self._bias = F.pad(bias, (0, missing)).to(device)
        self._tile = CONFIGS[0].kwargs

    def __call__(
        self,
        x: Tensor,
        lists: Lists,
        met: Tensor,
        onto: Tensor | None = None,
        relu_sum: bool = False,
        tight_in: bool = False,
        tight_out: bool = False,
    ) -> Tensor:
        """Run on the device's current stream.

        Args:
            x: (N, C_in, T, H, W). lists: of the plan.
            met: (N, taps, output positions), what each kept row reads; see `Neighbours`.
            onto: (N, C, T, H, W), laid out; the result is added to it in place.
            relu_sum: apply a ReLU to that sum, where something is added.
            tight_in: kept channels of `x` lie side by side, from the first on.
            tight_out: write them so, and nothing where the plan drops; else zeros there. A group
                by itself is half of the 32 bytes that memory moves at once.

        Returns:
            (N, C, T, H, W): `onto`, or memory of its own.
        """
        x = laid_out(x)
        C, oT, oH, oW = self.unit.out_shape
        if onto is None:
            make = torch.empty if tight_out else torch.zeros
            shape = (len(x), oT, oH, oW, whole(C))
            y = make(shape, dtype=self.dtype, device=x.device)[..., :C].movedim(-1, 1)
        else:
            y = onto
        place, rows = self.place, oT * oH * oW

        def grid(tile: dict[str, int]) -> tuple[int, int]:
            return tiles(tile, len(x), rows, self.outputs), tile["SPLIT"]

        flags, kept, counts, *pitches = pointers(lists)
        convolve[grid](
            x, self._weight, self._bias, y, met, flags, kept, counts, *self._shared, *pitches,
            place.frames, place.places, place.outputs, place.inputs, place.channels, place.counts,
            len(x), rows, oH * oW, self.inputs, self.outputs, self.window.taps, LISTED=self.listed,
            TIGHT_IN=tight_in, TIGHT_OUT=tight_out, RELU=self.relu, ADD=onto is not None,
            RELU_SUM=relu_sum, WIDE=INTERPRETED,
        )  # fmt: skip
        self._tile = convolve.best_config.kwargs
        return y

    def spent(self, counts: list[int], adds: bool) -> tuple[int, int]:
        """MACs and bytes that a clip takes, whole tiles counted: those that were chosen last.

        Bytes are a model: weights, inputs and outputs once, a sum's twice, the lists, and the table
        of what each row reads, written and read; not the zeros that fill what is dropped.

        Args:
            counts: of the clip's kept frames, places, groups of outputs and of inputs.
            adds: whether the result is added to the residual stream.
        """
        frames, places, outputs, inputs = counts[:SEGMENTS]
        rows, inputs = frames * places, inputs if self.listed else self.inputs
        if not rows * outputs:
            return 0, 0
        M, N, K = (self._tile[name] for name in "MNK")
        taps, ins, outs = self.window.taps, inputs * GROUP, outputs * GROUP
        macs = taps * cdiv(rows, M) * M * cdiv(outs, N) * N * cdiv(ins, K) * K
        read = min(prod(self.unit.in_shape[1:]), rows * taps) * ins
        values = read + taps * ins * outs + rows * outs * (2 if adds else 1)
        indices = frames + places + outputs + inputs + 2 * taps * rows
        return macs, values * self.dtype.itemsize + 4 * indices


class Aligned(nn.Module):
    """A convolution of PyTorch in whole groups of channels: tensor cores take no others.

    Args:
        conv: without groups, zeros as padding. relu: whether a ReLU follows.
    """

    def __init__(self, conv: nn.Conv3d, relu: bool) -> None:
        super().__init__()
        self.relu = relu
        self.outputs, inputs, window = conv.out_channels, conv.in_channels, Window.of(conv)
        self.conv = nn.Conv3d(
            whole(inputs), whole(self.outputs), window.kernel, window.stride, window.padding,
            window.dilation,
        )  # fmt: skip
        self._padding = window.padding
        missing = whole(self.outputs) - self.outputs
        weight = F.pad(conv.weight, (0,) * 6 + (0, whole(inputs) - inputs, 0, missing))
        bias = weight.new_zeros(self.outputs) if conv.bias is None else conv.bias
        self.conv.weight, self.conv.bias = (
            nn.Parameter(value.detach()) for value in (weight, F.pad(bias, (0, missing)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, T, H, W) -> (N, C_out, ...), laid out."""
        x = laid_out(x)
        N, C, T, H, W = x.shape
        x = x.as_strided((N, whole(C), T, H, W), x.stride())
        conv = self.conv
        if self.relu and x.is_cuda:  # in one pass with the bias
            y = torch.cudnn_convolution_relu(
                x, conv.weight, conv.bias, conv.stride, self._padding, conv.dilation, 1
            )
        else:
            y = conv(x).relu_() if self.relu else conv(x)
        return laid_out(y)[:, : self.outputs]


def laid_out(x: Tensor, copy: bool = False) -> Tensor:
    """(N, C, T, H, W) as the kernels read it: channels last, whole groups from place to place.

    The same tensor where it is so already, and no copy is asked for; else a copy with zeros behind
    the last channel.
    """
    C, T, H, W = x.shape[1:]
    pitch = whole(C)
    if not copy and x.stride() == (T * H * W * pitch, 1, H * W * pitch, W * pitch, pitch):
        return x
    rows = x.new_zeros(len(x), T, H, W, pitch)
    rows[..., :C] = x.movedim(1, -1)
    return rows[..., :C].movedim(-1, 1)
