"""Frames that show what was computed of them: dimmed where work was dropped, a bar for how much."""

import numpy as np
from PIL import Image

DROPPED_GREY = (
    52  # of 255: lighter than the black around a letterboxed clip, darker than most video
)
STILL_SEEN = 0.2  # of the picture where nothing is computed: one wants to know what was passed over
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in a grey value (ITU-R BT.601)
BAR_FULL, BAR_EMPTY = (255, 176, 0), (70, 70, 70)  # amber on grey: told apart without colour too


def dimmed(frames: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Frames that fade to a dull dark grey where less is computed.

    Args:
        frames: uint8 (T, H, W, 3).
        share: (T, H, W) in [0, 1], as `kept_work` gives it: 1 leaves a pixel as it is; 0 leaves a
            fifth of its brightness on grey, without colour.

    Returns:
        uint8 (T, H, W, 3).
    """
    grey = frames @ np.array(LUMA, np.float32)  # (T, H, W)
    dropped = DROPPED_GREY + STILL_SEEN * (grey[..., None] - DROPPED_GREY)  # (T, H, W, 1)
    kept = np.asarray(share, np.float32)[..., None]
    return np.rint(dropped + kept * (frames - dropped)).astype(np.uint8)


def marked(frames: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Frames with a bar beneath, filled from the left as far as the frame was computed.

    Args:
        frames: uint8 (T, H, W, 3).
        share: (T,) in [0, 1], as `kept_frames` gives it.

    Returns:
        uint8 (T, H + bar, W, 3); the bar is a sixteenth of the height, at least 3 pixels.
    """
    T, H, W, _ = frames.shape
    reached = (np.arange(W) + 0.5) / W < np.asarray(share)[:, None]  # (T, W)
    row = np.where(reached[..., None], BAR_FULL, BAR_EMPTY).astype(np.uint8)  # (T, W, 3)
    bar = np.broadcast_to(row[:, None], (T, max(3, H // 16), W, 3))
    return np.concatenate([frames, bar], axis=1)


def enlarged(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Frames uint8 (T, H, W, 3) at another size, smoothly: uint8 (T, height, width, 3)."""
    smooth = Image.Resampling.LANCZOS
    return np.stack(
        [np.asarray(Image.fromarray(f).resize((width, height), smooth)) for f in frames]
    )
