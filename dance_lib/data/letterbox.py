"""A decoded frame to pixels of a fixed size, upright and with its aspect kept."""

from dataclasses import dataclass
from typing import Any, Self

import av
import numpy as np
from av.video.reformatter import Interpolation


@dataclass(frozen=True)
class Orientation:
    """How stored pixels are shown: first rows for columns, then upside down and mirrored."""

    swapped: bool = False
    upside_down: bool = False
    mirrored: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Self:
        """By the frame's display matrix, to the nearest quarter turn.

        The matrix brings pixel (column p, row q) to (a p + c q, b p + d q).
        """
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
        swapped = abs(b) > abs(a)
        return cls(swapped, (b if swapped else d) < 0, (c if swapped else a) < 0)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (H, W, 3) as they are shown."""
        shown = pixels.swapaxes(0, 1) if self.swapped else pixels
        return shown[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


def shown_size(frame: av.VideoFrame, pixel_aspect: float) -> tuple[int, int]:
    """Width and height as a player shows them: square pixels, upright."""
    width, height = max(1, round(frame.width * pixel_aspect)), frame.height
    return (height, width) if Orientation.of(frame).swapped else (width, height)


def letterbox(frame: av.VideoFrame, pixel_aspect: float, height: int, width: int) -> np.ndarray:
    """Scale `frame` to fit, centred on black: uint8 (height, width, 3)."""
    shown_width, shown_height = shown_size(frame, pixel_aspect)
    scale = min(width / shown_width, height / shown_height)
    inner_width = max(1, round(shown_width * scale))
    inner_height = max(1, round(shown_height * scale))
    orientation = Orientation.of(frame)
    stored = (inner_height, inner_width) if orientation.swapped else (inner_width, inner_height)
    rgb = frame.reformat(
        *stored,
        format="rgb24",
        interpolation=Interpolation.AREA,
        threads=1,  # starting more takes ten times longer than the work
    )
    boxed = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    inside = boxed[top : top + inner_height, left : left + inner_width]
    inside[:] = orientation.apply(rgb.to_ndarray())
    return boxed
