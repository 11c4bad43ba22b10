"""What an executor asks of the code that computes convolutions on rows.

`native` compiles it for the processor; `portable` does the same in public PyTorch.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from torch import Tensor, dtype, nn

from dance_lib.aap.statistics import Sums
from dance_lib.executors.rows import Index, Rows
from dance_lib.models.structure import Triple


@dataclass(frozen=True)
class Window:
    """Kernel size, stride, padding and dilation over (T, H, W)."""

    kernel: Triple
    stride: Triple
    padding: Triple
    dilation: Triple

    @classmethod
    def of(cls, conv: nn.Conv3d) -> "Window":
        """That of a convolution."""
        given: tuple[Any, ...] = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        return cls(*((int(t), int(h), int(w)) for t, h, w in given))

    @property
    def taps(self) -> int:
        """Positions that one output position reads."""
        return prod(self.kernel)


@dataclass(eq=False)
class Weights:
    """Weights of one convolution, laid out for the kernels that made them.

    Attributes:
        panels: the weights; their layout is the kernels' own.
        bias: float32, as long as the layout needs.
        inputs, outputs: number of channels read and computed.
        taps: of the window.
        vectors: in a register tile; 0 where that means nothing.
        depthwise: whether channel i of the output reads channel i of the input alone.
    """

    panels: Tensor
    bias: Tensor
    inputs: int
    outputs: int
    taps: int
    vectors: int
    depthwise: bool


@dataclass(eq=False)
class Target:
    """Where a convolution puts what, and what it does to it first.

    Attributes:
        rows: written to; holds a row for every position where `add`, else one for each computed,
            whose columns behind the last channel become zero.
        frames, places: the output positions to compute; None for all.
        columns: column of each computed channel; None for side by side.
        keep: (outputs,) float32 of 0 and 1, multiplies the result; None for all 1.
        relu_before: apply a ReLU to the result.
        add: then add what stands in `rows`.
        relu_after: then apply a ReLU to the sum.
    """

    rows: Rows
    frames: Index | None = None
    places: Index | None = None
    columns: Index | None = None
    keep: Tensor | None = None
    relu_before: bool = False
    add: bool = False
    relu_after: bool = False

    @property
    def n_frames(self) -> int:
        """Computed frames."""
        return self.rows.size[0] if self.frames is None else len(self.frames)

    @property
    def n_places(self) -> int:
        """Computed places."""
        return prod(self.rows.size[1:]) if self.places is None else len(self.places)


class Kernels(Protocol):
    """Convolutions on rows of one number format."""

    key: str  # names kernels, number format and, where they differ by it, processor
    dtype: dtype

    def lay_out(self, weight: Tensor, bias: Tensor, depthwise: bool) -> Weights:
        """Lay out float32 weights (O, I / groups, kt, kh, kw) and biases (O,), once."""

    def pick(self, weights: Weights, inputs: Index | None, outputs: Index | None) -> Weights:
        """The weights between some input and output channels; None for all of them."""

    def convolve(self, x: Rows, window: Window, weights: Weights, target: Target) -> int:
        """Compute, and give the number of multiply-accumulates that were carried out."""

    def sums(self, x: Rows) -> Sums:
        """What the statistics of a whole map, as the stem gives it, are made of."""
