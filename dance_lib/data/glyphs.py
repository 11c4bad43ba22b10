"""The handwritten digits of the built-in set, and which of them each split may use."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

INK = 8  # scikit-learn's digits are 8 × 8
MARGIN = 1  # empty pixels around the ink, so that a digit fades out instead of being cut
UPSCALING = 4  # bicubic once, here; rendering then only samples bilinearly
MIN_ASYMMETRY = 0.35  # below it a turn by a quarter is hard to see, even for a person


@cache
def glyphs() -> Tensor:
    """All 1,797 digits as smooth opacities in [0, 1], (1797, 40, 40)."""
    ink = torch.from_numpy(load_digits().images.astype(np.float32)) / 16
    ink = F.pad(ink, (MARGIN,) * 4)[:, None]  # (1797, 8, 8) -> (1797, 1, 10, 10)
    smooth = F.interpolate(ink, scale_factor=UPSCALING, mode="bicubic")
    return smooth.clamp(0, 1)[:, 0]


@cache
def glyph_ids(split: str) -> np.ndarray:
    """Ids of the digits that `split` may show: 70 % train, 10 % val, 20 % test, by handwriting.

    The division is the same for every seed, so a test digit of one set is in no training part of
    another. Digits that look nearly alike after a turn (a cross-like four) are left out: as an
    actor they would be label noise, and as mere distractors they would tell who the actor is.
    """
    ids = np.arange(len(glyphs()))
    digit = load_digits().target
    rest, test = train_test_split(ids, test_size=0.2, stratify=digit, random_state=0)
    train, val = train_test_split(rest, test_size=0.125, stratify=digit[rest], random_state=0)
    chosen = {"train": train, "val": val, "test": test}[split]
    return np.sort(chosen[_asymmetry()[chosen] >= MIN_ASYMMETRY])


@cache
def _asymmetry() -> np.ndarray:
    """Share of a digit's ink that changes when it turns by 90 degrees, (1797,)."""
    ink = glyphs()
    changed = (ink - ink.rot90(dims=(1, 2))).abs().mean((1, 2))
    return (changed / (2 * ink.mean((1, 2)))).numpy()
