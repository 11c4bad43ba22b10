"""The picture: what its bars, lines and pixels show, and that drawing over an old one leaves none
of it."""

import numpy as np
import pytest

from dance_lib.explain.picture import dimmed
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.figures import GAP, draw, png
from dance_lib.explorer.view import Choice, look
from tests.explorer import made


@pytest.fixture(scope="module")
def view(networks):
    return made.by_hand(networks)


@pytest.fixture(scope="module")
def panels(view):
    names = ("all", "branch", "tiles", "groups", "classes", "sizes", "variability", "macs")
    return dict(zip(names, draw(view).axes, strict=True))


def test_a_picture_drawn_over_another_is_the_same_as_a_new_one(networks, view):
    other = look(ShownClip.of_set(made.clips(), 3), Choice("without AVA", "d", 0.4, 2), networks)
    over = draw(view, draw(other))
    assert png(over) == png(draw(view))
    assert png(draw(other, over)) == png(draw(other))
    assert png(draw(other)) != png(draw(view))


def test_strips_show_every_frame_dimmed_where_nothing_is_computed(panels, view):
    for name, branches in (("all", ()), ("branch", (view.branch.name,))):
        pixels = np.asarray(panels[name].images[0].get_array())
        expected = dimmed(view.clip.frames, view.work(branches))
        for t in range(4):
            frame = pixels[:8, t * (8 + GAP) : t * (8 + GAP) + 8]
            np.testing.assert_array_equal(frame, expected[t])
    assert panels["branch"].get_title().endswith("keeps 2 of 4 frames; dark: dropped")
    assert [label.get_text() for label in panels["branch"].get_xticklabels()] == list("1234")
    bars = np.asarray(panels["branch"].images[0].get_array())[-1]  # below frames 1 to 4
    kept, dropped = bars[:8], bars[8 + GAP : 16 + GAP]
    assert (kept == bars[2 * (8 + GAP) : 2 * (8 + GAP) + 8]).all()
    assert (kept != dropped).any()


def test_the_tile_mask_lies_over_the_frame(panels, view):
    shown = np.asarray(panels["tiles"].images[0].get_array())
    np.testing.assert_array_equal(shown[:, :4], view.clip.frames[1, :, :4])
    assert (shown[:, 4:] != view.clip.frames[1, :, 4:]).any()
    assert panels["tiles"].get_title() == "frame 2 is dropped; of the others: 50 % of the area kept"
    (region,) = panels["tiles"].patches  # of the action, frames 2 and 3
    assert region.get_bbox().bounds == (1.5, -0.5, 4.0, 4.0)


def test_the_region_of_the_action_is_there_while_it_lasts(networks):
    for frame, marks in ((0, 0), (1, 1), (2, 1), (3, 0)):
        axes = draw(made.by_hand(networks, frame=frame)).axes[2]
        assert len(axes.patches) == marks
        assert bool(axes.get_xlabel()) == bool(marks)


def test_channel_groups_are_bars_of_which_the_kept_are_filled(panels, view):
    kept, dropped = (list(bars) for bars in panels["groups"].containers)
    assert [bar.get_x() + bar.get_width() / 2 for bar in kept] == pytest.approx([2])
    assert [bar.get_x() + bar.get_width() / 2 for bar in dropped] == pytest.approx([1])
    assert [dropped[0].get_height(), kept[0].get_height()] == pytest.approx(
        view.own_activity.groups["a.0"].tolist()
    )
    assert dropped[0].get_hatch()
    assert not kept[0].get_hatch()


def test_confidences_stand_beside_each_other_the_label_marked(panels):
    """Dense 10, 60, 10, 10, 10 % and pruned 5, 30, 45, 15, 5 % of classes 0 to 4; it is class 1."""
    dense, pruned = panels["classes"].containers
    assert [bar.get_width() for bar in dense] == pytest.approx([60, 10, 10, 10, 10])
    assert [bar.get_width() for bar in pruned] == pytest.approx([30, 45, 15, 5, 5])
    names = [label.get_text() for label in panels["classes"].get_yticklabels()]
    assert names[:3] == ["✓ class 1", "class 2", "class 3"]


def test_lines_are_the_distributions_and_variabilities_of_both_networks(panels, view):
    for line, name in zip(panels["sizes"].lines, view.activity, strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), 100 * view.activity[name].sizes["a.0"])
    for line, name in zip(panels["variability"].lines, view.activity, strict=True):
        np.testing.assert_allclose(line.get_ydata(), list(view.activity[name].cv.values()))
    chosen, other = reversed(panels["sizes"].lines)
    assert chosen.get_linewidth() > other.get_linewidth()
    assert chosen.get_color() != other.get_color()


def test_the_point_lies_at_the_budget_and_the_ratio(panels, view):
    *_, curve, point = panels["macs"].lines
    np.testing.assert_array_equal(curve.get_xdata(), view.pair.budgets)
    np.testing.assert_array_equal(curve.get_ydata(), view.ratios)
    assert [*point.get_xdata(), *point.get_ydata()] == [0.5, view.ratio]
    assert panels["macs"].get_title() == f"R {view.ratio:.2f}: {view.macs}"


def test_odd_names_are_drawn_as_they_are(networks):
    """A dollar starts no formula, a long path keeps its end, and a label may be unknown."""
    clip = made.shown()
    for name in ("a$\\b$.mp4", "x" * 300 + "/end.mp4"):
        odd = ShownClip(name, clip.pixels)
        axes = draw(look(odd, Choice("AVA cv", "d", 0.5), networks)).axes
        png(axes[0].figure)
        assert name[-10:] in axes[0].get_title()
        assert len(axes[0].get_title()) < 140
        assert axes[4].get_title() == "prediction"
