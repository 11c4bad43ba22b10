"""One convolution with all that folds into it, on rows."""

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor, nn

from dance_lib.executors.kernels import Kernels, Target, Window
from dance_lib.executors.rows import Index, Rows, as_floats, padded, within
from dance_lib.executors.workspace import Workspace
from dance_lib.models.structure import Triple


@dataclass(frozen=True, eq=False)
class Kept:
    """What of an output is computed: frames, places and channels; None for all."""

    frames: Index | None = None
    places: Index | None = None
    channels: Index | None = None

    @property
    def nothing(self) -> bool:
        """Whether some axis keeps nothing."""
        return any(
            axis is not None and not len(axis) for axis in (self.frames, self.places, self.channels)
        )

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.frames is None and self.places is None and self.channels is None

    def rows(self, size: Triple) -> int:
        """Kept positions of a (T, H, W) map."""
        frames = size[0] if self.frames is None else len(self.frames)
        return frames * (prod(size[1:]) if self.places is None else len(self.places))


EVERYTHING = Kept()


class Layer:
    """A convolution, the batch norm behind it folded in, and the ReLU behind that.

    Args:
        kernels: what computes it.
        conv: the convolution, in evaluation.
        norm: folded into it.
        relu: whether a ReLU follows.
        size: (T, H, W) of the output.
    """

    def __init__(
        self,
        kernels: Kernels,
        conv: nn.Conv3d,
        norm: nn.Module | None,
        relu: bool,
        size: Triple,
    ) -> None:
        self.kernels, self.relu, self.size = kernels, relu, size
        self.window = Window.of(conv)
        self.inputs, self.outputs, self.groups = conv.in_channels, conv.out_channels, conv.groups
        weight, bias = folded(conv, norm)
        self.depthwise = 1 < conv.groups == conv.in_channels == conv.out_channels
        parts = 1 if self.depthwise else conv.groups
        self.weights = [
            kernels.lay_out(w, b, self.depthwise)
            for w, b in zip(weight.chunk(parts), bias.chunk(parts), strict=True)
        ]

    def __call__(
        self,
        x: Rows,
        kept: Kept,
        memory: Workspace,
        *,
        compact: bool = True,
        onto: Rows | None = None,
        relu_after: bool = False,
    ) -> tuple[Rows, int, int]:
        """Compute what is kept.

        Args:
            x: the input.
            kept: of the output. A depthwise convolution must keep the channels of its input.
            memory: gives the output's buffer.
            compact: whether dropped channels are left out; else they are computed and zeroed,
                which costs less where few are dropped.
            onto: whole rows that the result is added to, in place.
            relu_after: apply a ReLU to that sum.

        Returns:
            The output (`onto`, or new rows), the multiply-accumulates carried out, and the bytes
            moved: inputs, weights and outputs once, sums read, chosen weights read and written
            where they are laid out anew, and index lists.
        """
        compact = compact or kept.nothing
        columns = kept.channels if compact else None
        keep = None
        if not compact and kept.channels is not None:
            keep = as_floats(kept.channels, self.outputs)
        if onto is None:
            width = self.outputs if columns is None else len(columns)
            buffer = memory.take(kept.rows(self.size), padded(width), x.buffer.dtype)
            if len(self.weights) > 1:
                buffer[:, width:] = 0  # no group reaches there
            y = Rows(buffer, self.outputs, self.size, kept.frames, kept.places, columns, self.relu)
        else:
            y = onto
        if kept.nothing:
            return y, 0, 0
        macs = moved = 0
        for group, weights in enumerate(self.weights):
            of_x, of_y = self._of_group(group, self.inputs), self._of_group(group, self.outputs)
            source = x.between(*of_x)
            chosen = within(columns, *of_y)
            target = Target(
                y.between(*of_y),
                kept.frames,
                kept.places,
                columns=None if onto is None else chosen,
                keep=None if keep is None else keep[slice(*of_y)],
                relu_before=self.relu,
                add=onto is not None,
                relu_after=relu_after,
            )
            picked = self.kernels.pick(weights, source.channels, chosen)
            macs += self.kernels.convolve(source, self.window, picked, target)
            copied = 1 if picked is weights else 3
            moved += copied * picked.panels.numel() * picked.panels.dtype.itemsize
        rows = kept.rows(self.size)
        read = min(len(x.buffer), rows * self.window.taps) * x.columns
        written = rows * (self.outputs if columns is None else len(columns))
        values = read + written * (1 if onto is None else 2)
        lists = sum(len(index) for index in (kept.frames, kept.places) if index is not None)
        return y, macs, moved + values * x.buffer.dtype.itemsize + 4 * lists

    def _of_group(self, group: int, channels: int) -> tuple[int, int]:
        """First channel of a group, and the first behind it."""
        share = channels // len(self.weights)
        return group * share, (group + 1) * share


def folded(conv: nn.Conv3d, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Float32 weights (O, I / groups, kt, kh, kw) and biases (O,) of a convolution and its norm.

    norm(w·x + b) = (s·w)·x + s·(b − mean) + shift, with s = scale / √(var + ε).
    """
    weight = conv.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach().double()
    if norm is not None:
        scale, shift = affine(norm)
        weight, bias = weight * scale[:, None, None, None, None], bias * scale + shift
    return weight.float(), bias.float()


def affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Scale and shift (C,) float64 of a batch norm in evaluation."""
    mean, var = norm.running_mean.double(), norm.running_var.double()
    scale = (var + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach().double()


def is_affine(module: Any) -> bool:
    """Whether a norm in evaluation is one scale and shift a channel: it knows its statistics."""
    batch_norm = nn.modules.batchnorm._BatchNorm
    if not isinstance(module, batch_norm) or module.running_mean is None:
        return False
    return type(module).forward in (batch_norm.forward, nn.SyncBatchNorm.forward)
