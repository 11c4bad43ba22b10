"""The multiply-accumulates that kernels say they carried out, by hand."""

import numpy as np
import torch

from dance_lib.executors.kernels import Target, Window
from dance_lib.executors.rows import Rows
from tests.executors.agreement import kernels

OVER_TIME = Window((3, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1))
ALONG = Window((1, 1, 3), (1, 1, 1), (0, 0, 1), (1, 1, 1))


def macs(kind, window, size, inputs, outputs, depthwise=False, frames=None, **target):
    """Of a convolution that keeps the size, its input `frames` stored."""
    k = kernels(kind)
    weight = torch.ones(outputs, 1 if depthwise else inputs, *window.kernel)
    weights = k.lay_out(weight, torch.zeros(outputs), depthwise)
    kept = size if frames is None else (len(frames), *size[1:])
    x = Rows.of(torch.ones(1, inputs, *kept, dtype=k.dtype))
    x = Rows(x.buffer, inputs, size, None if frames is None else np.array(frames, np.int32))
    y = Rows.of(torch.zeros(1, outputs, *size, dtype=k.dtype))
    return k.convolve(x, window, weights, Target(y, **target))


def lanes():
    return kernels("native float32").lanes


def test_a_tap_that_meets_only_zeros_is_not_computed():
    """One frame: of three taps over time the middle one alone meets something, at 20 places."""
    n = lanes()
    assert macs("native float32", OVER_TIME, (1, 4, 5), 6, n) == 20 * 6 * n
    assert macs("native float32", OVER_TIME, (1, 4, 5), 6, 5, depthwise=False) <= 20 * 6 * n
    assert macs("portable float32", OVER_TIME, (1, 4, 5), 6, n) == 3 * 20 * 6 * n


def test_a_dropped_frame_saves_its_taps():
    """Frame 0 of three is stored: frames 0 and 1 meet it at one tap each, frame 2 at none.

    A place is a row; a tile of two vectors has twelve rows, which divides the places of a frame.
    """
    n, places = 2 * lanes(), 12 * 7
    got = macs("native float32", OVER_TIME, (3, 1, places), 4, n, frames=[0])
    assert got == 2 * places * 4 * n


def test_half_vectors_are_computed_whole():
    """One channel less than a vector takes the whole vector, one alone takes half of it.

    Of eight rows the last misses one of three taps. A tile of one vector takes seven rows, so the
    last is alone and that tap is left out; half a vector takes two rows at once.
    """
    n = lanes()
    assert macs("native float32", ALONG, (1, 1, 8), 6, n - 1) == (8 * 3 - 1) * 6 * n
    assert macs("native float32", ALONG, (1, 1, 8), 6, 2 * n) == (8 * 3 - 1) * 6 * 2 * n
    assert macs("native float32", ALONG, (1, 1, 8), 6, 1) == 8 * 3 * 6 * n // 2


def test_bfloat16_multiplies_channels_in_pairs():
    """Five channels cost as much as six; machines without such products take float32's kernels."""
    k = kernels("native bfloat16")
    if k.key.startswith("portable"):
        return
    assert macs("native bfloat16", ALONG, (1, 1, 8), 5, k.lanes) == (8 * 3 - 1) * 6 * k.lanes
    assert macs("native bfloat16", ALONG, (1, 1, 8), 6, k.lanes) == (8 * 3 - 1) * 6 * k.lanes


def test_depthwise_taps():
    """Along eight places, the first and the last miss one of three taps each; 5 channels."""
    assert macs("native float32", ALONG, (1, 1, 8), 5, 5, depthwise=True) == (8 * 3 - 2) * 5
    assert macs("portable float32", ALONG, (1, 1, 8), 5, 5, depthwise=True) == 8 * 3 * 5


def test_only_kept_positions_are_computed():
    n = lanes()
    some = {"frames": np.array([1], np.int32), "places": np.array([0, 3, 4], np.int32)}
    k = kernels("native float32")
    weights = k.lay_out(torch.ones(n, 6, 1, 1, 1), torch.zeros(n), False)
    window = Window((1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1))
    x = Rows.of(torch.ones(1, 6, 2, 2, 4))
    y = Rows(torch.zeros(3, n), n, (2, 2, 4), some["frames"], some["places"])
    assert k.convolve(x, window, weights, Target(y, **some)) == 3 * 6 * n
