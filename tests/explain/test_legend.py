"""The strip under a frame, looked at in pixels."""

import numpy as np
import pytest

from dance_lib.explain.legend import ASIDE, BACKGROUND, HEIGHT, Caption, legend
from dance_lib.explain.picture import BAR_EMPTY, BAR_FULL

SHARES = (0.0, 0.25, 0.5, 1.0)
EACH = 76  # pixels: 320 less two margins of 8, for four frames


def caption(label="grow", shares=SHARES):
    times = [0.25 + t for t in range(len(shares))]
    return Caption(label, 0.9, 0.5, shares, times)


def column(strip, frame):
    """The pixels in the middle of a frame's bar, from top to bottom."""
    return strip[68:89, 8 + EACH * frame + EACH // 2]


@pytest.mark.parametrize("current", range(4))
def test_bars_are_as_high_as_shares_and_the_current_one_is_coloured(current):
    strip = legend(caption(), current, 320)
    assert strip.shape == (HEIGHT, 320, 3)
    for frame, share in enumerate(SHARES):
        colour = BAR_FULL if frame == current else ASIDE
        pixels = column(strip, frame)
        filled = (pixels == colour).all(-1)
        assert filled.sum() == 20 * share + 1  # the base line is always there
        assert filled[::-1][: filled.sum()].all()  # from below
        assert (pixels[~filled] == BAR_EMPTY).all()
    marks = (strip[91:94] == BAR_FULL).all(-1).any(0).nonzero()[0]
    assert 8 + EACH * current <= marks.min() <= marks.max() < 8 + EACH * (current + 1)


def ink(strip, top, bottom):
    """Columns that hold anything but background."""
    return (strip[top:bottom] != BACKGROUND).any((0, 2))


def test_a_long_class_is_cut_before_the_percentage():
    short = ink(legend(caption("a"), 0, 320), 4, 28)
    percentage = short[100:]  # nothing else is there
    long = ink(legend(caption("walking the dog " * 9), 0, 320), 4, 28)
    first = 100 + percentage.argmax()
    np.testing.assert_array_equal(long[first:], short[first:])
    assert not long[first - 4 : first].any()
    assert long[150:240].any()


def test_it_grows_with_the_picture():
    assert legend(caption(), 0, 640).shape == (2 * HEIGHT, 640, 3)


def test_more_frames_than_pixels_still_fit():
    assert legend(caption(shares=[0.5] * 700), 699, 320).shape == (HEIGHT, 320, 3)


def test_the_words_change_with_the_frame():
    before, after = (legend(caption(), frame, 320)[:64] for frame in (0, 1))
    assert (before != after).any()
