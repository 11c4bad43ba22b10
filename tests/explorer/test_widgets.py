"""The panel without a front end: controls are moved, picture and words follow."""

import numpy as np
import pytest

from dance_lib.data.encode import write_video
from dance_lib.explorer import widgets
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.figures import draw, png
from dance_lib.explorer.view import Choice, look
from dance_lib.explorer.widgets import Panel

pytestmark = pytest.mark.usefixtures("_thawed")


@pytest.fixture
def panel(networks, clips):
    return Panel(clips, networks)


@pytest.fixture
def video(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    write_video(tmp_path / "own.mp4", pixels, fps=8)
    return tmp_path / "own.mp4"


def test_it_shows_what_its_controls_say(panel, networks, clips):
    panel.clip.value, panel.frame.value = 5, 3
    panel.network.value, panel.unit.value, panel.budget.value = "AVA cv", "d", 0.4
    view = look(ShownClip.of_set(clips, 5), Choice("AVA cv", "d", 0.4, 2), networks)
    assert panel.picture.value == png(draw(view))
    assert "budget 0.40" in panel.words.value
    assert panel.error.value == ""


def test_every_control_changes_the_picture(panel):
    pictures = [panel.picture.value]
    for control, value in (
        (panel.clip, 1), (panel.frame, 2), (panel.network, "AVA cv"), (panel.unit, "a.0"),
        (panel.budget, 0.3),
    ):  # fmt: skip
        control.value = value
        pictures.append(panel.picture.value)
    assert len(set(pictures)) == 6


def test_budgets_are_those_that_every_network_reaches(panel, networks):
    reaches = [pair.reach for pair in networks.pairs.values()]
    assert panel.budget.min == max(reach[0] for reach in reaches)
    assert panel.budget.max == min(reach[1] for reach in reaches)
    assert panel.budget.value == networks.pairs["without AVA"].as_trained
    for budget in (panel.budget.min, panel.budget.max):
        panel.budget.value = budget
        assert f"budget {budget:.2f}" in panel.words.value
        assert panel.error.value == ""


def test_a_video_of_ones_own_is_shown_until_a_clip_is_chosen(panel, video):
    panel.video.value = f" {video} "
    assert str(video) in panel.words.value
    assert "label" not in panel.words.value
    panel.budget.value = 0.3
    assert str(video) in panel.words.value
    panel.clip.value = 2
    assert panel.video.value == ""
    assert "002.mp4" in panel.words.value
    panel.video.value = str(video)
    panel.video.value = ""
    assert "002.mp4" in panel.words.value


def test_a_relative_path_starts_at_the_root_of_the_study(panel, video, monkeypatch):
    monkeypatch.setattr(widgets.paths, "find_root", lambda: video.parent)
    panel.video.value = "own.mp4"
    assert panel.error.value == ""
    assert str(video) in panel.words.value


def test_what_cannot_be_opened_is_told_and_the_picture_stays(panel, tmp_path):
    shown, words = panel.picture.value, panel.words.value
    panel.video.value = str(tmp_path / "<b>lost.mp4")
    assert "&lt;b&gt;lost.mp4: no such file" in panel.error.value
    assert (panel.picture.value, panel.words.value) == (shown, words)
    panel.frame.value = 2
    assert panel.error.value == ""
    assert panel.picture.value != shown


def test_what_nobody_thought_of_is_told_as_well(panel, monkeypatch):
    def broken(*_):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(widgets.figures, "draw", broken)
    panel.frame.value = 2
    assert "RuntimeError: two" in panel.error.value
