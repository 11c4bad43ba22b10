"""A feature map in an exported graph: only what is kept of it is stored, as the executors do.

The same description serves plans that are known when the file is written (its indices are then
arrays, and what they choose is chosen once) and plans that a controller makes at run time (its
indices are then values of the graph).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from dance_lib.deploy.graph import Graph, Value, whole
from dance_lib.models.structure import Shape


@dataclass(frozen=True, eq=False)
class Index:
    """Which of `total` frames or channels are kept.

    Attributes:
        kept: int64 (kept,), ascending.
        place: int64 (total,): where each is stored; the number of kept ones where it is not.
    """

    total: int
    kept: Value
    place: Value

    @classmethod
    def of(cls, graph: Graph, mask: Value, total: int) -> Index | None:
        """That of a mask (total,) of 0 and 1; None where it is known to keep everything."""
        if isinstance(mask, np.ndarray) and mask.all():
            return None
        bits = graph.add("Cast", mask, to=9)  # bool
        ones = graph.add("Cast", mask, to=7)  # int64
        kept = graph.add("Reshape", graph.add("NonZero", bits), whole(-1))
        before = graph.add("Sub", graph.add("CumSum", ones, np.array(0, dtype=np.int64)), whole(1))
        count = graph.add("ReduceSum", ones, whole(0), keepdims=1)
        return cls(total, kept, graph.add("Where", bits, before, count))

    @property
    def known(self) -> bool:
        """Whether it is the same for every clip."""
        return isinstance(self.kept, np.ndarray)

    def same(self, other: Index | None) -> bool:
        """Whether both are sure to keep the same."""
        if other is None:
            return False
        if isinstance(self.kept, np.ndarray) and isinstance(other.kept, np.ndarray):
            return np.array_equal(self.kept, other.kept)
        return self.kept is other.kept


@dataclass(frozen=True, eq=False)
class Box:
    """The smallest rectangle that holds all kept tiles.

    Attributes:
        top, bottom, left, right: int64 (1,); `bottom` and `right` are the first outside.
        mask: float32 (1, 1, 1, bottom − top, right − left), 1 where a position is kept; None if
            every one is.
    """

    top: Value
    bottom: Value
    left: Value
    right: Value
    mask: Value | None

    @classmethod
    def of(cls, graph: Graph, mask: Value) -> Box | None:
        """That of a mask (H, W) of 0 and 1; None where it is known to keep everything."""
        if isinstance(mask, np.ndarray) and mask.all():
            return None
        mask = graph.add("Cast", mask, to=1)
        edges: list[Value] = []
        for other in (1, 0):  # rows, then columns; of an empty mask whatever comes first and last
            line = graph.add("ReduceMax", mask, axes=[other], keepdims=0)
            edges.append(graph.add("ArgMax", line, axis=0, keepdims=1))
            last = graph.add("ArgMax", line, axis=0, keepdims=1, select_last_index=1)
            edges.append(graph.add("Add", last, whole(1)))
        inside = crop(graph, graph.add("Unsqueeze", mask, whole(0, 1, 2)), edges)
        holes = not isinstance(inside, np.ndarray) or not inside.all()
        top, bottom, left, right = edges
        return cls(top, bottom, left, right, inside if holes else None)

    @property
    def edges(self) -> tuple[Value, Value, Value, Value]:
        """top, bottom, left, right."""
        return self.top, self.bottom, self.left, self.right

    @property
    def known(self) -> bool:
        """Whether it is the same for every clip."""
        return isinstance(self.top, np.ndarray)


@dataclass(frozen=True, eq=False)
class Kept:
    """What of a unit's output is kept; None on an axis for everything."""

    frames: Index | None = None
    channels: Index | None = None
    box: Box | None = None


EVERYTHING = Kept()


@dataclass(frozen=True, eq=False)
class Map:
    """A (C, T, H, W) map of one clip.

    Attributes:
        value: (1, stored channels, stored frames, rows, columns of the box); zero elsewhere.
        shape: (C, T, H, W) of the whole.
    """

    value: Value
    shape: Shape
    kept: Kept = EVERYTHING

    def of_channels(self, channels: Index | None, graph: Graph) -> Map:
        """Stored channels that are all there, without those not kept."""
        value = take(graph, self.value, channels, axis=1)
        return replace(self, value=value, kept=replace(self.kept, channels=channels))

    def every_channel(self, graph: Graph) -> Map:
        """The same with all channels stored."""
        return replace(
            self,
            value=spread(graph, self.value, self.kept.channels, axis=1),
            kept=replace(self.kept, channels=None),
        )

    def everywhere(self, graph: Graph) -> Map:
        """The same with all positions stored."""
        value = spread(graph, self.value, self.kept.frames, axis=2)
        if self.kept.box is not None:
            top, bottom, left, right = self.kept.box.edges
            H, W = self.shape[2:]
            ends = (graph.add("Sub", whole(H), bottom), graph.add("Sub", whole(W), right))
            pads = [whole(0, 0, 0), top, left, whole(0, 0, 0), *ends]
            value = graph.add("Pad", value, graph.add("Concat", *pads, axis=0))
        return Map(value, self.shape, Kept(channels=self.kept.channels))

    def whole(self, graph: Graph) -> Map:
        """All of it stored."""
        return self.every_channel(graph).everywhere(graph)

    def masked(self, graph: Graph) -> Map:
        """Zero inside the box where a tile is not kept."""
        if self.kept.box is None or self.kept.box.mask is None:
            return self
        return replace(self, value=graph.add("Mul", self.value, self.kept.box.mask))


def take(graph: Graph, value: Value, index: Index | None, axis: int) -> Value:
    """What an index keeps of an axis."""
    return value if index is None else graph.add("Gather", value, index.kept, axis=axis)


def spread(graph: Graph, value: Value, index: Index | None, axis: int) -> Value:
    """Stored frames or channels among zeros for those that are not."""
    if index is None:
        return value
    if isinstance(index.kept, np.ndarray) and is_run(index.kept):  # zeros at both ends
        return padded(graph, value, axis, index.kept[0], index.total - 1 - index.kept[-1])
    return graph.add("Gather", padded(graph, value, axis, 0, 1), index.place, axis=axis)


def padded(graph: Graph, value: Value, axis: int, before: int, behind: int) -> Value:
    """Zeros on both sides of an axis of a map."""
    if before == behind == 0:
        return value
    pads = np.zeros((2, 5), dtype=np.int64)
    pads[:, axis] = before, behind
    return graph.add("Pad", value, pads.reshape(-1))


def crop(graph: Graph, value: Value, edges: list[Value]) -> Value:
    """Rows top to bottom and columns left to right, `bottom` and `right` left out, of a map."""
    starts = graph.add("Concat", edges[0], edges[2], axis=0)
    ends = graph.add("Concat", edges[1], edges[3], axis=0)
    return graph.add("Slice", value, starts, ends, whole(3, 4))


def concatenated(graph: Graph, parts: list[Map]) -> Map:
    """Maps of one size joined by their channels, at every position."""
    parts = [part.everywhere(graph) for part in parts]
    value = graph.add("Concat", *(part.value for part in parts), axis=1)
    C = sum(part.shape[0] for part in parts)
    shape = (C, *parts[0].shape[1:])
    if all(part.kept.channels is None for part in parts):
        return Map(value, shape)

    def mask(part: Map) -> Value:
        if part.kept.channels is None:
            return np.ones(part.shape[0], dtype=np.float32)
        stored = graph.add("Shape", part.kept.channels.kept)
        return graph.add("Cast", graph.add("Less", part.kept.channels.place, stored), to=1)

    joined = reduce(lambda a, b: graph.add("Concat", a, b, axis=0), map(mask, parts))
    return Map(value, shape, Kept(channels=Index.of(graph, joined, C)))


def is_run(kept: np.ndarray) -> bool:
    """Whether known indices follow each other without a gap; none do not."""
    return len(kept) > 0 and int(kept[-1] - kept[0]) == len(kept) - 1
