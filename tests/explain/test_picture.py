"""Dimmed frames, against grey values worked out by hand."""

import numpy as np

from dance_lib.explain.picture import BAR_EMPTY, BAR_FULL, dimmed, enlarged, marked


def test_what_is_computed_stays_as_it_is():
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    np.testing.assert_array_equal(dimmed(frames, np.ones((2, 4, 6))), frames)


def test_what_is_dropped_is_a_fifth_of_its_grey_on_dark_grey():
    frames = np.zeros((1, 1, 3, 3), np.uint8)
    frames[0, 0, 1] = 255  # white
    frames[0, 0, 2] = (255, 0, 0)  # red, whose grey is 0.299 × 255 = 76.245
    shown = dimmed(frames, np.zeros((1, 1, 3)))
    # 52 + 0.2 × (grey − 52): 41.6, 92.6 and 56.849
    np.testing.assert_array_equal(shown[0, 0], [[42] * 3, [93] * 3, [57] * 3])


def test_half_of_the_work_is_half_way():
    frames = np.array([200, 100, 0], np.uint8).reshape(1, 1, 1, 3)
    # grey 0.299 × 200 + 0.587 × 100 = 118.5, dropped 52 + 0.2 × 66.5 = 65.3; half way from there
    np.testing.assert_array_equal(dimmed(frames, np.full((1, 1, 1), 0.5))[0, 0, 0], [133, 83, 33])


def test_each_pixel_has_its_own_share():
    frames = np.full((2, 2, 2, 3), 255, np.uint8)
    share = np.ones((2, 2, 2))
    share[1, 0, 1] = 0
    shown = dimmed(frames, share)
    assert (shown == 255).all(-1).sum() == 7
    assert (shown[1, 0, 1] == 93).all()


def test_a_bar_is_as_long_as_the_share():
    frames = np.full((3, 32, 10, 3), 7, np.uint8)
    shown = marked(frames, np.array([0, 0.5, 1]))
    assert shown.shape == (3, 35, 10, 3)  # 32 / 16 is 2, and 3 is the least
    np.testing.assert_array_equal(shown[:, :32], frames)
    full = (shown[:, 32:] == BAR_FULL).all(-1)
    np.testing.assert_array_equal(full.sum((1, 2)), [0, 15, 30])
    assert full[1, :, :5].all()
    assert (shown[0, 32:] == BAR_EMPTY).all()


def test_a_larger_picture_has_a_larger_bar():
    assert marked(np.zeros((1, 160, 8, 3), np.uint8), np.ones(1)).shape == (1, 170, 8, 3)


def test_enlarging_keeps_what_is_even():
    frames = np.full((2, 3, 5, 3), (10, 20, 30), np.uint8)
    shown = enlarged(frames, 12, 20)
    assert shown.shape == (2, 12, 20, 3)
    assert (shown == (10, 20, 30)).all()
