"""Clips to look at, of a set and of a file."""

import numpy as np
import pytest

from dance_lib.data import DecodeError
from dance_lib.data.encode import write_video
from dance_lib.explorer.clip import Action, ShownClip
from tests.train.small import make_clips


def test_a_clip_of_a_set_has_its_pixels_and_its_label(clips):
    clip = ShownClip.of_set(clips, 7)
    assert (clip.name, clip.label) == ("007.mp4", "class 2")
    assert clip.pixels.equal(clips.batch([7]))
    np.testing.assert_array_equal(clip.frames, clips.frames[clips.stored[7]])  # the very bytes


def test_times_of_the_action_are_those_of_the_clip(clips):
    """Frames 2 to 6 of a video of 8 are 1 to 3 of a clip of 4."""
    assert ShownClip.of_set(clips, 7).action == Action(1, 3, 0.25, 0.0, 0.75, 0.5)


def test_a_clip_may_have_no_action_and_a_set_may_not_know(clips):
    assert ShownClip.of_set(clips, 0).action is None
    assert ShownClip.of_set(make_clips(), 0).action is None


def test_a_video_is_one_clip_of_all_its_length(tmp_path):
    """Eight greys become the four in the middle of each quarter; wide frames are letterboxed."""
    greys = np.arange(8) * 25 + 20
    frames = np.broadcast_to(greys[:, None, None, None], (8, 16, 32, 3)).astype(np.uint8)
    write_video(tmp_path / "greys.mp4", frames, fps=8)
    clip = ShownClip.of_video(tmp_path / "greys.mp4", (3, 4, 8, 8))
    assert clip.pixels.shape == (1, 3, 4, 8, 8)
    assert clip.name.endswith("greys.mp4")
    assert clip.label is None
    assert clip.action is None
    np.testing.assert_allclose(clip.frames[:, 4, 4, 0], greys[1::2], atol=4)
    assert (clip.frames[:, 0] < 4).all()


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    for name, why in (("a.txt", "does not open as a video"), ("b.mp4", "no such file")):
        with pytest.raises(DecodeError, match=f"{name}: {why}"):
            ShownClip.of_video(tmp_path / name, (3, 4, 8, 8))
