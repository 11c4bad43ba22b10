"""A convolution in an exported graph, of which only what is kept is computed.

What a plan drops of the input are zeros for the convolution. In time they are put there by a zero
frame that every missing frame is read from; in space by padding the box that is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dance_lib.deploy.graph import Graph, Value, whole
from dance_lib.deploy.maps import Box, Index, Kept, Map, is_run, padded, take
from dance_lib.errors import DanceError
from dance_lib.models.structure import Triple

Pads = tuple[int, int]


class ExportError(DanceError):
    """A network, or a part of it, that can't be written as an ONNX file; the message names it."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution with the norm behind it folded in.

    Attributes:
        weight: float32 (O, I / groups, kt, kh, kw). bias: float32 (O,).
        planar: whether it is to be written as a 2-D one, for runtimes that have no other.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    stride: Triple
    padding: Triple
    dilation: Triple
    groups: int
    planar: bool = False

    @property
    def kernel(self) -> Triple:
        """(kt, kh, kw)."""
        return self.weight.shape[2], self.weight.shape[3], self.weight.shape[4]


@dataclass(frozen=True)
class Window:
    """How a kernel goes over one axis of what is stored."""

    stride: int
    pads: Pads
    dilation: int


def convolve(graph: Graph, x: Map, conv: Convolution, kept: Kept, shape: tuple[int, ...]) -> Map:
    """What is kept of the output (C, T, H, W) = `shape`; inside its box every position."""
    x, weight, bias, groups, channels = _channels(graph, x, conv, kept.channels)
    if not _meets(x.kept.box, kept.box, conv):
        x = x.everywhere(graph)
    stored, time = _frames(graph, x, conv, kept.frames)
    value, rows, columns = _places(graph, stored, x, conv, kept.box)
    windows = (time, rows, columns)
    value = _convolution(graph, value, conv, weight, bias, groups, windows)
    C, T, H, W = shape
    y = Map(value, (C, T, H, W), Kept(kept.frames, channels, kept.box))
    if channels is None and kept.channels is not None:  # could not be left out beforehand
        y = y.of_channels(kept.channels, graph)
    return y


def _channels(
    graph: Graph, x: Map, conv: Convolution, kept: Index | None
) -> tuple[Map, Value, Value, int, Index | None]:
    """The weights between kept channels; of a grouped convolution only where that is known."""
    stored = x.kept.channels
    if conv.groups == 1:
        weight = take(graph, take(graph, conv.weight, kept, axis=0), stored, axis=1)
        return x, weight, take(graph, conv.bias, kept, axis=0), 1, kept
    depthwise = conv.weight.shape[1] == 1 and conv.groups == len(conv.weight)
    if depthwise and kept is not None and kept.known and kept.same(stored):
        weight = take(graph, conv.weight, kept, axis=0)
        assert isinstance(kept.kept, np.ndarray)
        return x, weight, take(graph, conv.bias, kept, axis=0), len(kept.kept), kept
    # ONNX wants the number of groups in the file: it can't depend on the clip.
    return x.every_channel(graph), conv.weight, conv.bias, conv.groups, None


def _frames(graph: Graph, x: Map, conv: Convolution, kept: Index | None) -> tuple[Value, Window]:
    """What is stored, laid out so that a window over it gives the kept frames."""
    k, s, p, d = conv.kernel[0], conv.stride[0], conv.padding[0], conv.dilation[0]
    stored, T = x.kept.frames, x.shape[1]
    if kept is None and stored is None:
        return x.value, Window(s, (p, p), d)
    count = (T + 2 * p - d * (k - 1) - 1) // s + 1
    if kept is None:
        kept = Index(count, np.arange(count), np.arange(count))
    if k == 1 and s == 1 and p == 0 and kept.same(stored):
        return x.value, Window(1, (0, 0), 1)
    if run := _one_run(kept, stored, T, conv):
        first, length, pads = run
        value = x.value
        if (first, length) != (0, T if stored is None else len(stored.kept)):
            value = graph.add("Slice", value, whole(first), whole(first + length), whole(2))
        return value, Window(s, pads, d)
    # Each kept frame's window by itself: a zero frame stands where a frame is not stored.
    table = np.arange(count)[:, None] * s - p + np.arange(k) * d  # (T_out, k) frames of the input
    table = np.where((table < 0) | (table >= T), T, table)
    wanted = graph.add("Reshape", graph.add("Gather", table, kept.kept, axis=0), whole(-1))
    if stored is not None:
        missing = graph.add("Shape", stored.kept)
        place = graph.add("Concat", stored.place, missing, axis=0)
        wanted = graph.add("Gather", place, wanted, axis=0)
    end = T if stored is None else len(stored.kept) if stored.known else None
    value = x.value
    never_missing = isinstance(wanted, np.ndarray) and end is not None and (wanted < end).all()
    if not never_missing and not (k == 1 and p == 0 and stored is None):
        value = padded(graph, value, 2, 0, 1)
    return graph.add("Gather", value, wanted, axis=2), Window(k, (0, 0), 1)


def _one_run(
    kept: Index, stored: Index | None, T: int, conv: Convolution
) -> tuple[int, int, Pads] | None:
    """First stored frame, number of them and padding, where one piece of what is stored does."""
    k, s, p, d = conv.kernel[0], conv.stride[0], conv.padding[0], conv.dilation[0]
    if not isinstance(kept.kept, np.ndarray) or (stored is not None and not stored.known):
        return None
    there = np.arange(T) if stored is None else stored.kept
    assert isinstance(there, np.ndarray)
    if not is_run(kept.kept):
        return None
    low = int(kept.kept[0]) * s - p
    high = int(kept.kept[-1]) * s - p + (k - 1) * d
    inside = there[(there >= low) & (there <= high)]
    if not is_run(inside):
        return None
    first = int(np.searchsorted(there, inside[0]))
    return first, len(inside), (int(inside[0]) - low, high - int(inside[-1]))


def _meets(stored: Box | None, kept: Box | None, conv: Convolution) -> bool:
    """Whether the stored box holds something that the kept one is computed from.

    Where a controller decides it always does: units of a branch have the same tiles.
    """
    if stored is None or not stored.known:
        return True
    if kept is None or not kept.known:
        return True
    for axis in (1, 2):
        low, high = _reach(kept, conv, axis)
        begin, end = (int(edge[0]) for edge in stored.edges[2 * axis - 2 : 2 * axis])
        if low >= end or high <= begin:
            return False
    return True


def _reach(kept: Box, conv: Convolution, axis: int) -> tuple[int, int]:
    """First row (axis 1) or column (2) of the input that is read, and the first behind."""
    k, s, p, d = (of[axis] for of in (conv.kernel, conv.stride, conv.padding, conv.dilation))
    begin, end = (int(edge[0]) for edge in kept.edges[2 * axis - 2 : 2 * axis])
    return begin * s - p, (end - 1) * s - p + (k - 1) * d + 1


def _places(
    graph: Graph, value: Value, x: Map, conv: Convolution, kept: Box | None
) -> tuple[Value, Window, Window]:
    """What is stored, cut to what the kept box reads."""
    stored = x.kept.box
    plain = [Window(conv.stride[i], (conv.padding[i],) * 2, conv.dilation[i]) for i in (1, 2)]
    if stored is None and kept is None:
        return value, plain[0], plain[1]
    known = all(box is None or box.known for box in (stored, kept))
    return _cut(graph, value, x, conv, kept) if known else _cut_later(graph, value, x, conv, kept)


def _cut(
    graph: Graph, value: Value, x: Map, conv: Convolution, kept: Box | None
) -> tuple[Value, Window, Window]:
    """With known boxes: a slice, and as much padding as is left to do."""
    slices: list[tuple[int, int]] = []
    windows = []
    for axis in (1, 2):
        size = x.shape[1 + axis]
        begin, end = 0, size
        if x.kept.box is not None:
            begin, end = (int(edge[0]) for edge in x.kept.box.edges[2 * axis - 2 : 2 * axis])
        s, p, d, k = (of[axis] for of in (conv.stride, conv.padding, conv.dilation, conv.kernel))
        if kept is None:
            count = (size + 2 * p - d * (k - 1) - 1) // s + 1
            low, high = -p, (count - 1) * s - p + (k - 1) * d + 1
        else:
            low, high = _reach(kept, conv, axis)
        slices.append((max(low, begin) - begin, min(high, end) - begin))
        windows.append(Window(s, (max(0, begin - low), max(0, high - end)), d))
    starts, ends = (whole(*(part[i] for part in slices)) for i in (0, 1))
    return graph.add("Slice", value, starts, ends, whole(3, 4)), windows[0], windows[1]


def _cut_later(
    graph: Graph, value: Value, x: Map, conv: Convolution, kept: Box | None
) -> tuple[Value, Window, Window]:
    """With boxes that the controller makes, one inside the other: pad first, then slice."""
    if kept is None:
        raise ExportError(f"{conv.name!r} reads tiles of a clip but keeps all of its own")
    pads = np.zeros((2, 5), dtype=np.int64)
    pads[:, 3:] = conv.padding[1:]
    if pads.any():
        value = graph.add("Pad", value, pads.reshape(-1))
    s = whole(*conv.stride[1:])
    reach = whole(*((conv.kernel[i] - 1) * conv.dilation[i] + 1 for i in (1, 2)))
    first = graph.add("Concat", kept.top, kept.left, axis=0)
    last = graph.add("Sub", graph.add("Concat", kept.bottom, kept.right, axis=0), whole(1, 1))
    starts = graph.add("Mul", first, s)
    ends = graph.add("Add", graph.add("Mul", last, s), reach)
    if x.kept.box is not None:
        corner = graph.add("Concat", x.kept.box.top, x.kept.box.left, axis=0)
        starts, ends = (graph.add("Sub", edge, corner) for edge in (starts, ends))
    value = graph.add("Slice", value, starts, ends, whole(3, 4))
    windows = [Window(conv.stride[i], (0, 0), conv.dilation[i]) for i in (1, 2)]
    return value, windows[0], windows[1]


def _convolution(
    graph: Graph,
    value: Value,
    conv: Convolution,
    weight: Value,
    bias: Value,
    groups: int,
    windows: tuple[Window, Window, Window],
) -> str:
    axes = (0, 1, 2)
    if not conv.planar:
        return _conv(graph, value, weight, bias, groups, conv.kernel, windows, axes)
    kt, kh, kw = conv.kernel
    if kt > 1 and (kh > 1 or kw > 1):
        raise ExportError(
            f"convolution {conv.name!r} has a kernel of {kt} × {kh} × {kw}, over time and space "
            "at once: only factorised kernels can be written as 2-D ones"
        )
    if kt == 1:  # frames are a batch
        time = windows[0]
        if time.pads != (0, 0):
            value = padded(graph, value, 2, *time.pads)
        if time.stride > 1:
            steps = (whole(2), whole(time.stride))
            value = graph.add("Slice", value, whole(0), whole(np.iinfo(np.int64).max), *steps)
        frames = graph.add("Squeeze", graph.add("Transpose", value, perm=[0, 2, 1, 3, 4]), whole(0))
        weight = graph.add("Squeeze", weight, whole(2))
        maps = _conv(graph, frames, weight, bias, groups, (kh, kw), windows[1:], (0, 1))
        return str(
            graph.add("Transpose", graph.add("Unsqueeze", maps, whole(0)), perm=[0, 2, 1, 3, 4])
        )
    for axis, window in zip((3, 4), windows[1:], strict=True):  # a kernel of one place
        value = padded(graph, value, axis, *window.pads)
        if window.stride > 1:
            steps = (whole(axis), whole(window.stride))
            value = graph.add("Slice", value, whole(0), whole(np.iinfo(np.int64).max), *steps)
    flat = graph.add("Reshape", value, whole(0, 0, 0, -1))  # places are one axis
    weight = graph.add("Squeeze", weight, whole(4))
    maps = _conv(
        graph, flat, weight, bias, groups, (kt, 1), (windows[0], Window(1, (0, 0), 1)), (0, 1)
    )
    sides = graph.add("Slice", graph.add("Shape", value), whole(3), whole(5))
    return str(graph.add("Reshape", maps, graph.add("Concat", whole(0, 0, 0), sides, axis=0)))


def _conv(
    graph: Graph,
    value: Value,
    weight: Value,
    bias: Value,
    groups: int,
    kernel: tuple[int, ...],
    windows: tuple[Window, ...],
    axes: tuple[int, ...],
) -> str:
    return str(
        graph.add(
            "Conv",
            value,
            weight,
            bias,
            kernel_shape=list(kernel),
            strides=[windows[i].stride for i in axes],
            pads=[windows[i].pads[side] for side in (0, 1) for i in axes],
            dilations=[windows[i].dilation for i in axes],
            group=groups,
        )
    )
