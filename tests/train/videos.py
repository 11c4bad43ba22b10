"""Folders of small videos: a bright square that goes left, goes right, or stays."""

from pathlib import Path

import numpy as np

from dance_lib.data.encode import write_video

MOVES = {"left": -3, "right": 3, "still": 0}  # pixels a frame


def make_videos(folder: Path, count: int, *, frames: int, size: int, seed: int = 0, moves=MOVES):
    """Write `folder`/class/NN.mp4, `count` of each class; the square is a fifth of the side."""
    draw = np.random.default_rng(seed)
    side = size // 5
    for label, step in moves.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(60, 90, (1, size, size, 3), np.uint8).repeat(frames, 0)
            x, y = draw.integers(2 * side, 3 * side, 2)
            for t, frame in enumerate(pixels):
                left = int(np.clip(x + step * (t - frames // 2), 0, size - side))
                frame[y : y + side, left : left + side] = 220
            write_video(folder / label / f"{number:02}.mp4", pixels, fps=8)
    return folder
