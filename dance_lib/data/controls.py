"""The same clips without their motion: what can be told from looks alone."""

from dataclasses import replace

import numpy as np

from dance_lib.arguments import Seed, checked
from dance_lib.data.clips import ClipSet


@checked
def single_frame(clips: ClipSet, *, seed: Seed = 0) -> ClipSet:
    """Every clip shows one of its frames, drawn by `seed`, all the time."""
    count, frames = _shape(clips)
    chosen = np.random.default_rng(seed).integers(frames, size=(count, 1))
    return _reordered(clips, np.broadcast_to(chosen, (count, frames)))


@checked
def shuffled_frames(clips: ClipSet, *, seed: Seed = 0) -> ClipSet:
    """Every clip shows all its frames, in an order of its own drawn by `seed`."""
    count, frames = _shape(clips)
    order = np.broadcast_to(np.arange(frames), (count, frames))
    return _reordered(clips, np.random.default_rng(seed).permuted(order, axis=1))


def _reordered(clips: ClipSet, order: np.ndarray) -> ClipSet:
    if clips.order is not None:
        order = np.take_along_axis(clips.order, order, axis=1)
    return replace(clips, order=order)


def _shape(clips: ClipSet) -> tuple[int, int]:
    return len(clips), clips.clip_shape[1]
