"""The video that explains a decision: the clips as the network saw them, what it dropped dimmed."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image

from dance_lib.atomic import replacing
from dance_lib.data.encode import write_video
from dance_lib.data.errors import DataError
from dance_lib.explain.decision import Decision
from dance_lib.explain.legend import NARROWEST, Caption, legend
from dance_lib.explain.picture import dimmed, enlarged

LONGEST_S, SHORTEST_S = 1.0, 1 / 50  # that a frame is shown: nobody waits longer, no gif is quicker
FEW = 12  # frames a second of the file: with as many, a frame's time is met to a few percent


def write_explained(decision: Decision, classes: tuple[str, ...], path: Path) -> None:
    """Write a decision as a video, mp4 or gif by the path's suffix.

    Its clips come one after the other at their real pace, or a frame a second where that is
    slower.

    Args:
        classes: names of the logits.

    Raises:
        DataError: the file can't be written.
    """
    frames = explained_frames(decision, classes)
    pace = frame_seconds(decision)
    try:
        with replacing(path) as partial:
            if path.suffix.lower() == ".gif":
                _write_gif(partial, frames, pace)
            else:
                exact = Fraction(pace).limit_denominator(max(FEW, round(1 / pace)))
                held = np.repeat(frames, exact.numerator, axis=0)
                write_video(partial, held, fps=exact.denominator)
    except OSError as error:
        raise DataError(f"can't write {path}: {error.strerror or error}") from error


def explained_frames(decision: Decision, classes: tuple[str, ...]) -> np.ndarray:
    """The pictures, clip after clip: uint8 (N·T, height, width, 3), both even, 320 or more wide."""
    shown = []
    for clip, pixels in enumerate(decision.video.frames):
        pictures = _pictures(pixels, decision.work[clip].numpy())
        caption = caption_of(decision, classes, clip)
        strips = [legend(caption, t, pictures.shape[2]) for t in range(len(pictures))]
        shown.append(np.concatenate([pictures, np.stack(strips)], axis=1))
    frames = np.concatenate(shown)
    odd = [(0, size % 2) for size in frames.shape[1:3]]
    return np.pad(frames, ((0, 0), *odd, (0, 0)))


def caption_of(decision: Decision, classes: tuple[str, ...], clip: int) -> Caption:
    """What is to be said of one of a decision's clips."""
    probability, label = decision.probabilities[clip].max(0)
    start, end = decision.video.spans[clip]
    clips, T = decision.video.frames.shape[:2]
    return Caption(
        label=classes[int(label)],
        probability=probability.item(),
        mac_ratio=decision.mac_ratios[clip].item(),
        shares=decision.work[clip].mean((1, 2)).tolist(),
        times=(start + (np.arange(T) + 0.5) * (end - start) / T).tolist(),
        part=f"clip {clip + 1} of {clips}," if clips > 1 else "",
    )


def frame_seconds(decision: Decision) -> float:
    """How long each frame is shown."""
    start, end = decision.video.spans[0]  # all are equally long
    return float(np.clip((end - start) / decision.video.frames.shape[1], SHORTEST_S, LONGEST_S))


def _pictures(frames: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Dimmed frames in whole multiples of their size, the shorter side 320 pixels or more."""
    _, H, W, _ = frames.shape
    times = max(1, ceil(NARROWEST / min(H, W)))
    sharp = share.repeat(times, axis=1).repeat(times, axis=2)  # tiles keep their edges
    return dimmed(enlarged(frames, H * times, W * times), sharp)


def _write_gif(path: Path, frames: np.ndarray, seconds: float) -> None:
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(
        path, save_all=True, append_images=others, duration=round(100 * seconds) * 10, loop=0
    )
