import numpy as np
import pytest
import torch

from dance_lib.data.digits import DigitsSettings
from dance_lib.data.rendering import opacity, render
from dance_lib.data.scene import Poses, draw_scene

STILL = DigitsSettings(
    camera_shares=(1, 0, 0), drift_share=0, jitter=0, flicker=0, fidget_share=0, resolution=64
)


def pose(x: float, y: float, size: float, angle: float) -> Poses:
    return Poses(*(np.full((1, 1), value) for value in (x, y, size, angle)))


@pytest.mark.parametrize("index", range(9))
def test_region_holds_all_that_changes(index):
    scene = draw_scene(STILL, "test", index)
    rendering = render(scene, 64)
    frames = rendering.frames.astype(int)
    changes = np.abs(np.diff(frames, axis=0)).max(axis=-1) > 25  # (T - 1, H, W), a tenth of white
    if scene.action == "rest":
        assert rendering.region is None
        assert not changes.any()
        return
    acting = np.arange(1, 16)[changes.any(axis=(1, 2))]
    assert acting.tolist() == list(range(scene.first, scene.first + scene.length))
    x0, y0, x1, y1 = (round(64 * edge) for edge in rendering.region)
    inside = changes[:, y0:y1, x0:x1]
    assert inside.sum() == changes.sum()
    rows, columns = changes.any(axis=(0, 1)), changes.any(axis=(0, 2))
    assert x1 - x0 <= rows.nonzero()[0].max() - rows.nonzero()[0].min() + 5  # and little else
    assert y1 - y0 <= columns.nonzero()[0].max() - columns.nonzero()[0].min() + 5


def test_without_actor_only_the_actor_is_gone():
    scene = draw_scene(STILL, "train", 0)
    with_actor = render(scene, 64).frames.astype(int)
    without = render(scene, 64, actor=False).frames.astype(int)
    x0, y0, x1, y1 = (round(64 * edge) for edge in render(scene, 64).region)
    gone = np.abs(with_actor - without).max(axis=(0, 3)) > 25
    assert gone.any()
    gone[y0:y1, x0:x1] = False
    assert not gone.any()
    assert np.ptp(without, axis=0).max() == 0  # nothing else moves here


def test_frames_are_pixels():
    frames = render(draw_scene(DigitsSettings(), "train", 3), 48).frames
    assert frames.shape == (16, 48, 48, 3)
    assert frames.dtype == np.uint8


def test_place_and_size_of_a_digit():
    seen = opacity(np.array([0]), pose(0.25, 0.75, 0.25, 0), 64)[0, 0] > 0.1
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    # Upright ink is 0.25 × 64 = 16 pixels high and fades out over half a glyph pixel, 1 pixel here.
    assert 14 <= rows.max() - rows.min() + 1 <= 18
    assert float(rows.float().mean()) == pytest.approx(47.5, abs=1)
    assert float(columns.float().mean()) == pytest.approx(15.5, abs=2.5)


def test_positive_angles_turn_clockwise():
    upright = opacity(np.array([7]), pose(0.5, 0.5, 0.5, 0), 64)[0, 0]
    turned = opacity(np.array([7]), pose(0.5, 0.5, 0.5, np.pi / 2), 64)[0, 0]
    assert torch.allclose(turned, upright.rot90(-1), atol=1e-4)
    assert not torch.allclose(turned, upright.rot90(1), atol=0.1)
