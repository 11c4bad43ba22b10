import itertools

import numpy as np
import pytest

from dance_lib.data.actions import ACTIONS, KINDS, draw_fidget, progress
from dance_lib.data.digits import DigitsSettings
from dance_lib.data.errors import DataError
from dance_lib.data.glyphs import glyph_ids, glyphs
from dance_lib.data.scene import draw_scene

STILL = DigitsSettings(camera_shares=(1, 0, 0), drift_share=0, jitter=0, flicker=0)


def clips(settings: DigitsSettings, count: int = 45):
    return [draw_scene(settings, "train", index) for index in range(count)]


def test_progress_by_hand():
    # Frame 2 is the first that differs; after 4 frames of action, frame 5 is where it ends.
    expected = [-0.5, -0.5, -0.25, 0.0, 0.25, 0.5, 0.5, 0.5]
    assert progress(2, 4, 8).tolist() == expected
    assert progress(0, 0, 3).tolist() == [0, 0, 0]


def test_opposite_actions_differ_in_order_only():
    # Backwards, an action is the opposite one as it might have been drawn: its mirror image in
    # time has its first change in frame 8 - 5 = 3.
    assert np.array_equal(-progress(2, 4, 8)[::-1], progress(3, 4, 8))


@pytest.mark.parametrize("index", range(8))
def test_actor_does_what_the_label_says_and_is_still_otherwise(index):
    scene = draw_scene(STILL, "train", index)
    before, after = scene.first - 1, scene.first + scene.length - 1
    moved = {
        name: getattr(scene.poses, name)[-1, after] - getattr(scene.poses, name)[-1, before]
        for name in ("x", "y", "size", "angle")
    }
    name, sign = {
        "move_left": ("x", -1),
        "move_right": ("x", 1),
        "move_up": ("y", -1),
        "move_down": ("y", 1),
        "turn_left": ("angle", -1),
        "turn_right": ("angle", 1),
        "grow": ("size", 1),
        "shrink": ("size", -1),
    }[scene.action]
    least = {"x": 0.2, "y": 0.2, "angle": np.pi / 2, "size": 0.05}[name]
    assert sign * moved.pop(name) >= least
    assert np.allclose(list(moved.values()), 0)
    for pose in (scene.poses.x, scene.poses.y, scene.poses.size, scene.poses.angle):
        assert np.ptp(pose[-1, : before + 1]) == 0
        assert np.ptp(pose[-1, after:]) == 0


def test_distractors_are_still_but_for_the_fidget():
    for scene in clips(STILL):
        assert scene.fidgets
        for pose in (scene.poses.x, scene.poses.y, scene.poses.size, scene.poses.angle):
            assert np.allclose(pose[:-2], pose[:-2, :1])  # the actor is last, the fidget before it


def test_fidget_comes_back_and_has_no_direction():
    rng = np.random.default_rng(0)
    for _ in range(50):
        action, done = draw_fidget(DigitsSettings(), rng)
        away = np.flatnonzero(done != done[0])
        if action == "rest":
            assert not done.any()
            continue
        assert np.ptp(away) == len(away) - 1  # in one go; before and after at its place
        assert abs(np.corrcoef(away, done[away])[0, 1]) <= 0.4


def test_fidget_and_actor_have_the_same_poses_in_another_order():
    rng = np.random.default_rng(0)
    for _ in range(50):
        action, done = draw_fidget(DigitsSettings(), rng)
        if action == "rest":
            continue
        first, length = (done == -0.5).sum(), len(np.unique(done)) - 1
        assert 4 <= length <= 12
        assert np.allclose(np.sort(done), progress(first, length, 16))


def test_shuffled_frames_give_a_third_at_best():
    # Two movers of kinds a (the actor) and b (the fidget), which no one can tell apart. The best
    # guess is the kind whose classes have the larger joint probability, then one of its classes.
    classes = np.array([2, 2, 2, 2, 1])  # of each kind
    joint = np.outer(classes / 9, np.full(5, 1 / 5))  # P(a, b)
    best = 0.0
    for a, b in itertools.combinations_with_replacement(range(5), 2):
        best += (
            joint[a, a] / classes[a]
            if a == b
            else max(joint[a, b] / classes[a], joint[b, a] / classes[b])
        )
    assert best == pytest.approx(1 / 3)
    assert [len(kind) for kind in KINDS] == classes.tolist()


def test_digits_stay_in_the_frame():
    for scene in clips(DigitsSettings(jitter=0)):
        reach = 0.65 * scene.poses.size
        for pose in (scene.poses.x, scene.poses.y):
            assert (pose - reach).min() >= -1e-9
            assert (pose + reach).max() <= 1 + 1e-9


def test_camera_moves_everything_alike():
    pan = DigitsSettings(camera_shares=(0, 1, 0), drift_share=0, jitter=0, fidget_share=0)
    for scene in clips(pan, 9):
        shift = np.stack((scene.poses.x, scene.poses.y), axis=-1)[:-1]  # (K - 1, T, 2), still ones
        assert np.allclose(shift - shift[:, :1], scene.backdrop_shift - scene.backdrop_shift[:1])
        assert np.linalg.norm(np.ptp(scene.backdrop_shift, axis=0)) == pytest.approx(0.08)


def test_actions_come_in_turn():
    assert [scene.action for scene in clips(STILL, 18)] == [*ACTIONS, *ACTIONS]


def test_no_room():
    with pytest.raises(DataError, match="needs more room than the frame has"):
        draw_scene(DigitsSettings(travel=(0.9, 0.9)), "train", 0)


def test_handwriting_is_divided():
    train, val, test = (set(glyph_ids(split).tolist()) for split in ("train", "val", "test"))
    assert not (train & val) | (train & test) | (val & test)
    assert len(train | val | test) > 0.95 * len(glyphs())
