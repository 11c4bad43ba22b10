"""A checkpoint whose controller decides, and videos of one moving square."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch

import dance_lib as dance
from dance_lib.data.decode import VideoClips, VideoFacts
from dance_lib.data.encode import write_video
from tests.networks import randomise, undecided

CLIP = (3, 8, 32, 32)
CLASSES = ("left", "right", "still")


def network():
    torch.manual_seed(0)
    backbone = dance.create_model("r2plus1d_narrow", len(CLASSES), CLIP)
    return undecided(dance.Dance(randomise(backbone), CLIP, grid=4)).eval()


def checkpoint(folder, net=None, classes=CLASSES):
    folder.mkdir(parents=True, exist_ok=True)
    return dance.save(net or network(), folder / "net.safetensors", classes)


def video(path, frames=16, fps=8, start=0):
    """16 frames at 8 a second: a bright square that moves over 32 × 48 pixels of grey."""
    pixels = np.full((frames, 32, 48, 3), 90, np.uint8)
    for t in range(frames):
        left = (start + 2 * t) % 40
        pixels[t, 10:18, left : left + 8] = (230, 200, 40)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pixels, fps=fps)
    return path


def clips_of(frames, seconds=2.0):
    """As read from a video of so many seconds: frames uint8 (N, T, H, W, 3)."""
    parts = [Fraction(seconds) * i / len(frames) for i in range(len(frames) + 1)]
    spans = [(float(a), float(b)) for a, b in pairwise(parts)]
    facts = VideoFacts(frames.shape[3], frames.shape[2], seconds, frames.shape[1])
    return VideoClips(facts, spans, frames)
