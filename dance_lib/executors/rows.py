"""One clip's activations as a matrix: a row for each stored position, a column for each channel."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dance_lib.executors.workspace import Workspace
from dance_lib.models.structure import Triple

Index = NDArray[np.int32]  # ascending


@dataclass(eq=False)
class Rows:
    """A (C, T, H, W) map of which only kept frames × kept places × kept channels are stored.

    What is not stored is zero. Row f·places + p holds the p-th kept place of the f-th kept frame.

    Attributes:
        buffer: (rows, width), as wide as `padded` says; zeros behind the last stored channel.
        channels_total, size: C and (T, H, W).
        frames, places, channels: what is stored; None where all is. A place is h·W + w.
        nonnegative: whether a ReLU would change nothing.
    """

    buffer: Tensor
    channels_total: int
    size: Triple
    frames: Index | None = None
    places: Index | None = None
    channels: Index | None = None
    nonnegative: bool = False

    @property
    def values(self) -> Tensor:
        """(rows, stored channels)."""
        return self.buffer[:, : self.columns]

    @property
    def columns(self) -> int:
        """Stored channels."""
        return self.channels_total if self.channels is None else len(self.channels)

    @property
    def block(self) -> int:
        """Rows of one stored frame."""
        return prod(self.size[1:]) if self.places is None else len(self.places)

    @property
    def whole(self) -> bool:
        """Whether every position is stored."""
        return self.frames is None and self.places is None

    def tensor(self) -> Tensor:
        """(1, C, T, H, W), zeros where nothing is stored; a view where everything is."""
        return self.spread().every_channel().view()

    def view(self) -> Tensor:
        """(1, stored channels, T, H, W) of rows at every position; shares memory."""
        return self.values.unflatten(0, self.size).movedim(-1, 0)[None]

    def spread(self) -> "Rows":
        """The same with a row for every position."""
        if self.whole:
            return self
        T, H, W = self.size
        whole = self.buffer.new_zeros(T * H * W, self.buffer.shape[1])
        whole[torch.from_numpy(self.positions()).long()] = self.buffer
        return Rows(whole, self.channels_total, self.size, channels=self.channels)

    def every_channel(self) -> "Rows":
        """The same with a column for every channel."""
        if self.channels is None:
            return self
        whole = self.buffer.new_zeros(len(self.buffer), padded(self.channels_total))
        whole[:, torch.from_numpy(self.channels).long()] = self.values
        return Rows(whole, self.channels_total, self.size, self.frames, self.places)

    def between(self, first: int, last: int) -> "Rows":
        """Channels first..last − 1; shares memory."""
        if (first, last) == (0, self.channels_total):
            return self
        channels = within(self.channels, first, last)
        start = first if self.channels is None else int(np.searchsorted(self.channels, first))
        count = last - first if channels is None else len(channels)
        part = self.buffer[:, start : start + count]
        return replace(self, buffer=part, channels_total=last - first, channels=channels)

    def copy(self, memory: Workspace) -> "Rows":
        """The same in a buffer of its own."""
        rows, width = self.buffer.shape
        buffer = memory.take(rows, width, self.buffer.dtype)
        buffer.copy_(self.buffer)
        return replace(self, buffer=buffer)

    def positions(self) -> Index:
        """Position t·H·W + h·W + w of each row."""
        T, H, W = self.size
        frames = np.arange(T, dtype=np.int32) if self.frames is None else self.frames
        places = np.arange(H * W, dtype=np.int32) if self.places is None else self.places
        return (frames[:, None] * np.int32(H * W) + places).reshape(-1)

    @classmethod
    def of(cls, tensor: Tensor) -> "Rows":
        """Rows of a (1, C, T, H, W) map, every position and channel stored."""
        values = tensor[0].movedim(0, -1).flatten(0, 2)  # (T·H·W, C)
        T, H, W = tensor.shape[2:]
        return cls(wide(values).contiguous(), tensor.shape[1], (T, H, W))


def padded(channels: int) -> int:
    """Width of rows of so many channels: whole vectors, so that no kernel has to stop short."""
    return -(-channels // 16) * 16


def wide(values: Tensor) -> Tensor:
    """(rows, channels) -> (rows, padded width), zeros behind the last channel."""
    missing = padded(values.shape[1]) - values.shape[1]
    return torch.nn.functional.pad(values, (0, missing)) if missing else values


def kept(mask: NDArray[np.bool_]) -> Index | None:
    """Indices of what a mask keeps; None for all."""
    return None if mask.all() else np.flatnonzero(mask).astype(np.int32)


def as_floats(channels: Index, count: int) -> Tensor:
    """(padded width,): 1 for each of `count` channels that is listed, 0 elsewhere."""
    floats = np.zeros(padded(count), dtype=np.float32)
    floats[channels] = 1.0
    return torch.from_numpy(floats)


def row_of(stored: Index | None, count: int) -> Index | None:
    """Where each of `count` frames or places is stored, -1 for nowhere; None: where it is."""
    if stored is None:
        return None
    rows = np.full(count, -1, dtype=np.int32)
    rows[stored] = np.arange(len(stored), dtype=np.int32)
    return rows


def within(channels: Index | None, first: int, last: int) -> Index | None:
    """Those of a range, counted from its start."""
    if channels is None or (first == 0 and (not len(channels) or channels[-1] < last)):
        return channels
    return channels[np.searchsorted(channels, first) : np.searchsorted(channels, last)] - first
