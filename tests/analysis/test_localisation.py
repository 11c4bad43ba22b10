"""Four clips whose action and plan are written down, against shares counted by hand."""

import numpy as np
import pytest

from dance_lib import PruningPlan
from dance_lib.analysis.localisation import TRUTH, has_truth, localisation
from tests.analysis.plans import decided
from tests.train.small import make_clips

NO = float("nan")


@pytest.fixture
def made():
    """8 frames of video for 4 of the clip. Clip 1 rests."""
    return make_clips(
        4,
        video_frames=[8, 8, 8, 16],
        action_start=[2, NO, 0, 13],
        action_end=[6, NO, 8, 16],
        x0=[0.25, NO, 0.0, 0.5],
        y0=[0.0, NO, 0.0, 0.55],
        x1=[0.5, NO, 1.0, 0.75],
        y1=[0.5, NO, 1.0, 0.6],
    )


@pytest.fixture
def found(net, made):
    first, second = net.structure.branches
    plan = decided(
        net,
        4,
        frames={first: [[0, 1, 0, 1], [1] * 4, [0] * 4, [0, 0, 0, 1]],
                second: [[1, 0], [1, 1], [1, 1], [1, 0]]},
        tiles={first: [[[0, 1, 1, 0]] * 2 + [[0] * 4] * 2, [[1] * 4] * 4, [[1] * 4] * 4,
                       [[0] * 4] * 2 + [[0, 0, 1, 0], [0] * 4]]},
    )  # fmt: skip
    return localisation(net.structure, made, plan), (first, second)


def row(found, clip, branch, axis):
    table, branches = found
    rows = table[
        (table["path"] == f"{clip:03}.mp4")
        & (table["branch"] == branches[branch])
        & (table["axis"] == axis)
    ]
    assert len(rows) == 1
    return tuple(rows.iloc[0][["recall", "precision", "kept", "share"]])


def test_a_row_a_clip_with_an_action_branch_and_axis(found):
    table, _ = found
    assert len(table) == 3 * 2 * 2
    assert set(table["path"]) == {"000.mp4", "002.mp4", "003.mp4"}  # 1 rests
    assert set(table["kind"]) == {"counted"}


def test_frames(found):
    """Frames 2 to 5 of 8 are frames 1 and 2 of 4; the plan keeps 1 and 3."""
    assert row(found, 0, 0, "frames") == (0.5, 0.5, 0.5, 0.5)


def test_frames_of_a_branch_that_has_fewer(found):
    """Frames 2 to 5 of 8 touch both of 2; the first is kept."""
    assert row(found, 0, 1, "frames") == (0.5, 1.0, 0.5, 1.0)
    # Frames 13 to 15 of 16 are frame 3 of 4, and frame 1 of 2.
    assert row(found, 3, 0, "frames") == (1.0, 1.0, 0.25, 0.25)
    assert row(found, 3, 1, "frames") == (0.0, 0.0, 0.5, 0.5)


def test_tiles(found):
    """Columns 2, 3 and rows 0 to 3 of 8 × 8; kept are columns 2 to 5 and rows 0 to 3."""
    assert row(found, 0, 0, "features") == (1.0, 0.5, 0.25, 0.125)
    # The second branch is 4 × 4: column 1 and rows 0, 1, all kept.
    assert row(found, 0, 1, "features") == (1.0, 0.125, 1.0, 0.125)


def test_a_region_takes_every_position_it_touches(found):
    """0.55 to 0.6 of 8 rows is within row 4, of 4 rows within row 2; columns 4, 5 and 2."""
    assert row(found, 3, 0, "features") == (1.0, 0.5, 4 / 64, 2 / 64)
    assert row(found, 3, 1, "features") == (1.0, 1 / 16, 1.0, 1 / 16)


def test_a_dropped_branch_finds_nothing_and_has_no_precision(found):
    for axis in ("frames", "features"):
        recall, precision, kept, share = row(found, 2, 0, axis)
        assert (recall, kept, share) == (0.0, 0.0, 1.0)
        assert np.isnan(precision)


def test_full_plans_recall_all_at_the_precision_of_chance(net, made):
    table = localisation(net.structure, made, PruningPlan.full(net, 4))
    assert (table["recall"] == 1).all()
    assert (table["kept"] == 1).all()
    assert table["precision"].tolist() == table["share"].tolist()


def test_random_plans_find_what_they_keep(net, made):
    """Over many draws recall is the keep rate, precision the share of the action."""
    truth = made.table[["video_frames", *TRUTH]]
    many = make_clips(800, **{name: np.tile(truth[name], 200) for name in truth})
    plan = PruningPlan.random(net, 800, frames=0.5, features=0.5, seed=0)
    table = localisation(net.structure, many, plan)
    assert len(table) == 600 * 2 * 2
    means = table.groupby(["branch", "axis"])[["recall", "precision", "kept", "share"]].mean()
    for _, mean in means.iterrows():
        assert mean["recall"] == pytest.approx(mean["kept"], abs=0.05)
        assert mean["precision"] == pytest.approx(mean["share"], abs=0.05)


def test_a_set_that_does_not_say_gives_an_empty_table(net, clips):
    """A set of real video: no such columns. The table keeps its own, to be read back."""
    assert not has_truth(clips)
    columns = ["path", "branch", "axis", "recall", "precision", "kept", "share", "kind"]
    table = localisation(net.structure, clips, PruningPlan.full(net, len(clips)))
    assert list(table) == columns
    assert table.empty


def test_a_set_in_which_all_rest_gives_an_empty_table(net, made):
    resting = made.take([1])
    assert has_truth(made)
    assert not has_truth(resting)
    assert localisation(net.structure, resting, PruningPlan.full(net, 1)).empty
