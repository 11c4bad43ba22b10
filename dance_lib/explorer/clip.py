"""A clip to look at: one of a data set, or a video file of one's own."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from torch import Tensor

from dance_lib.analysis.localisation import TRUTH, has_truth
from dance_lib.data import ClipSet, read_video
from dance_lib.data.clips import as_clips
from dance_lib.models.structure import Shape


@dataclass(frozen=True)
class Action:
    """Where the action of a clip is: frames [start, end), and a region in shares of the frame."""

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, eq=False)
class ShownClip:
    """One clip.

    Attributes:
        name: its path. pixels: (1, 3, T, H, W) in [0, 1].
        label: its class; None where it is not known.
        action: where it is, where the set says so.
    """

    name: str
    pixels: Tensor
    label: str | None = None
    action: Action | None = None

    @classmethod
    def of_set(cls, clips: ClipSet, row: int) -> Self:
        """Clip `row` of a set."""
        about = clips.table.iloc[row]
        told = has_truth(clips) and not about[list(TRUTH)].isna().any()
        frames = clips.clip_shape[1]
        return cls(
            str(about["path"]),
            clips.batch([row]),
            clips.classes[int(clips.targets[row])],
            _action(about, frames) if told else None,
        )

    @classmethod
    def of_video(cls, path: str | Path, clip_shape: Shape) -> Self:
        """The whole of a video file as one clip of shape (3, T, H, W), letterboxed.

        Raises:
            DecodeError: there is no such file, or it does not decode.
        """
        frames = read_video(path, clip_shape=clip_shape[1:]).frames  # (1, T, H, W, 3)
        return cls(str(path), as_clips(frames))

    @cached_property
    def frames(self) -> np.ndarray:
        """uint8 (T, H, W, 3)."""
        return (self.pixels[0] * 255).round().byte().permute(1, 2, 3, 0).numpy()


def _action(about: pd.Series, frames: int) -> Action:
    """Its times are in frames of the video, of which the clip may show more or fewer."""
    scale = frames / float(about["video_frames"])
    start, end = (round(float(about[name]) * scale) for name in TRUTH[:2])
    return Action(start, end, *(float(about[name]) for name in TRUTH[2:]))
