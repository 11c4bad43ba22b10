"""Statistics of the stem's output, by loops over numpy arrays."""

import numpy as np
import pytest
import torch

from dance_lib.aap import stem_statistics
from dance_lib.aap.statistics import Average


@pytest.fixture
def maps():
    values = torch.randn(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(0)).double()
    return values.clamp(min=0)  # zeros, as behind a ReLU


def motion(x):
    """|F(t + 1) − F(t)| of (C, T, ...)."""
    return np.abs(x[:, 1:] - x[:, :-1])


def log(moved):
    """log(1 + m / 0.001): of a size for every camera."""
    return np.log(1 + np.asarray(moved) / 1e-3)


def test_per_channel(maps):
    """Mean, standard deviation, share of zeros, motion."""
    found = stem_statistics(maps).channels.numpy()
    assert found.shape == (2, 4, 3)
    for n in range(2):
        for c in range(3):
            x = maps[n, c : c + 1].numpy()
            expected = [x.mean(), x.std(), (x == 0).mean(), motion(x).mean()]
            np.testing.assert_allclose(found[n, :, c], expected, rtol=1e-9)


def test_per_frame(maps):
    """Mean, standard deviation, log motion on the busier side, the most of it in any tile."""
    found = stem_statistics(maps[..., :6], grid=3).frames.numpy()
    assert found.shape == (2, 4, 4)
    for n in range(2):
        x = maps[n, ..., :6].numpy()
        for t in range(4):
            sides = [motion(x)[:, s].mean(0) for s in (t - 1, t) if 0 <= s < 3]  # before, after
            tiles = [m[h : h + 2, w : w + 2].mean() for m in sides for h in (0, 2, 4)
                     for w in (0, 2, 4)]  # fmt: skip
            moved = max(m.mean() for m in sides)
            expected = [x[:, t].mean(), x[:, t].std(), log(moved), log(max(tiles))]
            np.testing.assert_allclose(found[n, :, t], expected, rtol=1e-9)


def test_per_tile(maps):
    """Mean, log motion, the most of it at any time; 3 × 3 tiles of 2 × 2."""
    found = stem_statistics(maps[..., :6], grid=3).tiles.numpy()
    assert found.shape == (2, 3, 3, 3)
    for n in range(2):
        for g, k in np.ndindex(3, 3):
            x = maps[n, :, :, 2 * g : 2 * g + 2, 2 * k : 2 * k + 2].numpy()
            by_time = motion(x).mean((0, 2, 3))
            expected = [x.mean(), log(by_time.mean()), log(by_time.max())]
            np.testing.assert_allclose(found[n, :, g, k], expected, rtol=1e-9)


def test_motion_belongs_to_both_frames_that_it_lies_between():
    """One value of 8 × 8 rises by 0.64 between frames 2 and 3: by 0.04 on average of its tile."""
    maps = torch.zeros(1, 1, 6, 8, 8).double()
    maps[:, :, 3:, 5, 6] = 0.64
    frames = stem_statistics(maps, grid=2).frames[0]
    expected = [[0, 0, log(s), log(s), 0, 0] for s in (0.64 / 64, 0.64 / 16)]
    np.testing.assert_allclose(frames[2:].numpy(), expected, rtol=1e-9)
    tiles = stem_statistics(maps, grid=2).tiles[0]
    expected = [
        [[0, 0], [0, log(s)]] for s in (0.04 / 5, 0.04)
    ]  # on average over 5 steps, and most
    np.testing.assert_allclose(tiles[1:].numpy(), expected, rtol=1e-9)


def test_small_maps_have_a_tile_a_position(maps):
    small = maps[:, :, :, :2, :3]
    tiles = stem_statistics(small).tiles
    assert tiles.shape[2:] == (2, 3)
    np.testing.assert_allclose(tiles[:, 0].numpy(), small.numpy().mean((1, 2)), rtol=1e-9)


def test_one_frame_does_not_move(maps):
    statistics = stem_statistics(maps[:, :, :1])
    assert statistics.frames.shape[2] == 1
    assert not statistics.channels[:, 3].any()
    assert not statistics.frames[:, 2:].any()
    assert not statistics.tiles[:, 1:].any()


def test_a_constant_channel_has_no_deviation():
    maps = torch.full((1, 2, 3, 4, 4), 0.7)
    assert stem_statistics(maps).channels[:, 1].max() < 1e-3


def test_gradients_stay_finite_where_a_channel_is_dead():
    """The derivative of a standard deviation at zero must not be NaN."""
    maps = torch.rand(2, 3, 4, 6, 6)
    maps[:, 1] = 0.0
    maps.requires_grad_()
    s = stem_statistics(maps)
    (s.channels.sum() + s.frames.sum() + s.tiles.sum()).backward()
    assert torch.isfinite(maps.grad).all()


# ------------------------------------------------------------------ the average clip
def test_the_average_of_what_training_saw(maps):
    """Of the first hundred batches all count alike; in evaluation nothing is taken in."""
    average, seen = Average(tuple(maps.shape[1:]), grid=3).double(), []
    for i in range(3):
        seen.append(stem_statistics(maps + i * maps.flip(2), grid=3))
        average(seen[-1])
    given = average.eval()(stem_statistics(maps * 7, grid=3))
    for name in ("frames", "tiles"):
        values = getattr(given, name)
        expected = torch.stack([getattr(s, name).mean(0) for s in seen]).mean(0)
        assert values.shape == getattr(seen[0], name).shape
        for of_clip in values:
            torch.testing.assert_close(of_clip, expected)
    assert given.channels.shape == seen[0].channels.shape
    assert not given.channels.any()


def test_the_average_follows_what_changes(maps):
    """After long training the latest batch counts a hundredth."""
    average, nothing = Average(tuple(maps.shape[1:])).double(), stem_statistics(maps * 0)
    for _ in range(150):
        average(nothing)
    latest = stem_statistics(maps)
    found = average(latest).tiles[0] - nothing.tiles.mean(0)
    torch.testing.assert_close(found, (latest.tiles - nothing.tiles).mean(0) / 100)
