"""Clips ready for a network: a table, a memory map, and batches of both."""

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dance_lib.arguments import Size, checked, checked_fields
from dance_lib.data.errors import DataError
from dance_lib.shard import opened, shard_of

Augment = Callable[[Tensor, torch.Generator], Tensor]


@checked_fields
@dataclass(frozen=True, eq=False)
class ClipSet(Dataset):
    """N clips of K classes.

    `set[i]` is (clip, target, i), the clip float32 (3, T, H, W) in [0, 1]. Clips are read from
    disk when asked for, so memory is bounded by the batch.

    Attributes:
        table: a row a clip with `path`, `label`, `target`, `split`, the columns of the data set's
            own table and those of `DecodedClips.table`.
        classes: the K class names, in order of `target`; also those this split lacks.
        hash: twelve hex digits that name the data in a table of results.
        skipped: `path` and `reason` of the videos of this split that do not decode.
        frames: uint8 (stored clips, T, H, W, 3), a memory map.
        stored: (N,) where each clip lies in `frames`.
        order: (N, T) which stored frame each frame shows; None as they come.

    Raises:
        DataError: parts that do not fit together.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    hash: str
    skipped: pd.DataFrame = field(repr=False)
    frames: np.ndarray = field(repr=False)
    stored: np.ndarray = field(repr=False)
    order: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if wrong := next(self._misfits(), None):
            raise DataError(f"a set of clips does not fit together: {wrong}")

    def _misfits(self) -> Iterator[str]:
        """What is wrong; each may look at what those before it have found right."""
        if self.frames.dtype != np.uint8 or self.frames.ndim != 5:
            given = f"{self.frames.dtype} {self.frames.shape}"
            yield f"frames must be uint8 (stored clips, T, H, W, 3), not {given}"
        if self.stored.ndim != 1 or self.stored.dtype.kind not in "iu":
            yield f"stored must be whole numbers (N,), not {self.stored.dtype} {self.stored.shape}"
        if not ((self.stored >= 0) & (self.stored < len(self.frames))).all():
            yield f"stored must lie below {len(self.frames)}, the clips in frames"
        if len(self.table) != len(self.stored) or "target" not in self.table:
            yield f"table must have a column target and {len(self.stored)} rows, one for each clip"
        targets = self.table["target"]
        if targets.dtype.kind not in "iu" or not targets.between(0, len(self.classes) - 1).all():
            yield f"table's targets must be whole numbers below {len(self.classes)}, the classes"
        shape = (len(self.stored), self.frames.shape[1])
        if self.order is not None and self.order.shape != shape:
            yield f"order must be (N, T) = {shape}, not {self.order.shape}"

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, row: int) -> tuple[Tensor, int, int]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"clip {row} of {len(self)}")
        row %= len(self)
        target: Any = self.table["target"].iat[row]
        return self.batch([row])[0], int(target), row

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(3, T, H, W)."""
        frames, height, width, colours = self.frames.shape[1:]
        return colours, frames, height, width

    @property
    def targets(self) -> Tensor:
        """int64 (N,)."""
        return torch.from_numpy(self.table["target"].to_numpy(np.int64, copy=True))

    def batch(self, rows: Sequence[int] | np.ndarray | Tensor) -> Tensor:
        """The clips `rows`, float32 (len(rows), 3, T, H, W) in [0, 1], `channels_last_3d`.

        Raises:
            DataError: `rows` are no numbers of clips.
        """
        rows = self._checked(rows)
        stored = self.stored[rows]
        if self.order is None:
            pixels = self.frames[stored]
        else:
            pixels = self.frames[stored[:, None], self.order[rows]]
        _let_go(self.frames)
        return as_clips(np.ascontiguousarray(pixels))

    def take(self, rows: Sequence[int] | np.ndarray) -> "ClipSet":
        """The set of the clips `rows` alone.

        Raises:
            DataError: `rows` are no numbers of clips.
        """
        rows = self._checked(rows)
        return replace(
            self,
            table=self.table.iloc[rows].reset_index(drop=True),
            stored=self.stored[rows],
            order=None if self.order is None else self.order[rows],
        )

    def _checked(self, rows: Sequence[int] | np.ndarray | Tensor) -> np.ndarray:
        """int64 (B,)."""
        numbers = np.asarray(rows)
        whole = numbers.dtype.kind in "iu" or not numbers.size
        if numbers.ndim != 1 or not whole or (abs(numbers + 0.5) > len(self)).any():
            raise DataError(f"rows must be whole numbers below {len(self)}, not {rows!r:.60}")
        return numbers.astype(np.int64)


def _let_go(frames: np.ndarray) -> None:
    """Give pages that were read back to the system, which keeps them cached as long as it can.

    Until then they count as this process's memory, and a job with a limit is ended for them.
    """
    if isinstance(frames.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        frames.base.madvise(mmap.MADV_DONTNEED)


def as_clips(frames: np.ndarray) -> Tensor:
    """Decoded frames, uint8 (N, T, H, W, 3), as networks take them.

    Returns:
        float32 (N, 3, T, H, W) in [0, 1], `channels_last_3d`.
    """
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float().div_(255)  # strides kept


@checked
def batches(
    clips: ClipSet,
    batch_size: Size,
    *,
    shuffle_seed: int | None = None,
    augment: Augment | None = None,
    process: tuple[int, int] = (0, 1),
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (clips (B, 3, T, H, W), targets (B,), rows (B,)) over the whole set once.

    In order, or shuffled by `shuffle_seed`, which also seeds `augment`; give each epoch its own.
    Reads in this process: 0.1 ms a clip is less than handing it over from another.

    Args:
        process: number of this process, and of all that share every batch: it reads its shard of
            the clips alone, (n, 3, T, H, W). Targets and rows are those of the whole batch.
    """
    if not 0 <= process[0] < process[1]:
        raise DataError(f"process must be (number, of how many), counted from 0, not {process}")
    generator = torch.Generator().manual_seed(shuffle_seed or 0)
    shuffled = shuffle_seed is not None
    rows = torch.randperm(len(clips), generator=generator) if shuffled else torch.arange(len(clips))
    targets = clips.targets
    for some in rows.split(batch_size):
        own = shard_of(len(some), *process)
        with opened(own):
            batch = clips.batch(some if own is None else some[own.rows])
            if augment is not None:
                batch = augment(batch, generator)
        yield batch, targets[some], some
