"""A decoded frame to pixels of a fixed size, upright and with its aspect kept."""

import av
import numpy as np
from av.video.reformatter import Interpolation


def shown_size(frame: av.VideoFrame, pixel_aspect: float) -> tuple[int, int]:
    """Width and height as a player shows them: square pixels, upright."""
    width, height = round(frame.width * pixel_aspect), frame.height
    return (height, width) if frame.rotation % 180 else (width, height)


def letterbox(frame: av.VideoFrame, pixel_aspect: float, height: int, width: int) -> np.ndarray:
    """Scale `frame` to fit, centred on black: uint8 (height, width, 3)."""
    shown_width, shown_height = shown_size(frame, pixel_aspect)
    scale = min(width / shown_width, height / shown_height)
    inner_width = max(1, round(shown_width * scale))
    inner_height = max(1, round(shown_height * scale))
    turns = frame.rotation // 90 % 4  # counter-clockwise quarter turns
    stored = (inner_height, inner_width) if turns % 2 else (inner_width, inner_height)
    rgb = frame.reformat(
        *stored,
        format="rgb24",
        interpolation=Interpolation.AREA,
        threads=1,  # starting more takes ten times longer than the work
    )
    boxed = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    inside = boxed[top : top + inner_height, left : left + inner_width]
    inside[:] = np.rot90(rgb.to_ndarray(), turns)
    return boxed
