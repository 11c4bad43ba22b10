"""What is seen, against numpy on recorded activations and the table of MACs."""

import numpy as np
import pytest
import torch

from dance_lib import count
from dance_lib.analysis.variability import EDGES
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Recorded
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.view import Choice, look, measure_activity
from tests.explorer import made

CHOICE = Choice("AVA cv", "a.0", 0.5, 1)


@pytest.fixture(scope="module")
def seen(networks):
    return look(made.shown(), CHOICE, networks)


def outputs(net, pixels):
    """|activation| of every unit, without pruning, (C, T, H, W) float64."""
    found = {}
    net.body(net.stem(pixels), Recorded(found.__setitem__))
    return {unit: output[0].abs().double().numpy() for unit, output in found.items()}


def softmax(logits):
    scores = np.exp(logits.double().numpy()[0])
    return scores / scores.sum()


def test_sizes_are_shares_of_all_activations(networks, seen):
    for name, pair in networks.pairs.items():
        for unit, a in outputs(pair.before, seen.clip.pixels).items():
            positive = np.log10(a[a > 0])
            expected = np.histogram(positive.astype(np.float32), EDGES.astype(np.float32))[0]
            np.testing.assert_allclose(seen.activity[name].sizes[unit], expected / a.size)


def test_cv_is_that_of_the_clips_own_activations(networks, seen):
    for name, pair in networks.pairs.items():
        for unit, a in outputs(pair.before, seen.clip.pixels).items():
            expected = np.log1p(a.var() / (a.mean() ** 2 + 1e-6))
            assert seen.activity[name].cv[unit] == pytest.approx(expected, rel=1e-4)


def test_groups_are_as_high_as_their_mean_activation(networks, seen):
    a = outputs(networks.pairs["AVA cv"].before, seen.clip.pixels)["c.0"]  # 24 channels
    expected = [a[:8].mean(), a[8:16].mean(), a[16:].mean()]
    np.testing.assert_allclose(seen.own_activity.groups["c.0"], expected, rtol=1e-5)


def test_the_plan_is_the_controllers_at_the_budget(networks, seen):
    pair = networks.pairs["AVA cv"]
    pixels = seen.clip.pixels
    statistics = pair.pruned.statistics(pair.pruned.stem(pixels), pixels)
    expected = pair.plan(statistics, 0.5)
    assert all(torch.equal(seen.plan.mask(u), expected.mask(u)) for u in expected.units)
    rows = count(pair.pruned, seen.plan).sum(numeric_only=True)
    assert seen.ratio == pytest.approx(rows["ideal_macs"] / rows["dense_macs"], abs=1e-9)


def test_predictions_are_those_of_the_dense_network_and_of_the_plan(networks, seen):
    pixels = seen.clip.pixels
    np.testing.assert_allclose(seen.dense, softmax(networks.dense.dense(pixels)), rtol=1e-5)
    pruned = networks.pairs["AVA cv"].pruned(pixels, plan=seen.plan)
    np.testing.assert_allclose(seen.pruned, softmax(pruned), rtol=1e-5)


def test_a_view_by_hand_keeps_what_its_plan_keeps(networks):
    view = made.by_hand(networks)
    assert view.kept_frames.tolist() == [True, False, True, False]
    left = np.zeros((8, 8), bool)
    left[:, :4] = True
    np.testing.assert_array_equal(view.tiles, left)
    assert view.groups.tolist() == [False, True]
    work = view.work([view.branch.name])
    np.testing.assert_array_equal(work, view.kept_frames[:, None, None] & left)
    first, second = (
        sum(view.structure.units[u].dense_macs for u in branch.units)
        for branch in view.structure.branches.values()
    )
    expected = work * first / (first + second)
    np.testing.assert_allclose(view.work(), expected, rtol=1e-6)
    row = view.row()
    kept = ("kept_frames", "frames", "kept_area", "kept_groups", "groups")
    assert [row[name] for name in kept] == [2, 4, 0.5, 1, 2]
    assert (row["dense"], row["dense_confidence"]) == ("class 1", 0.6)
    assert (row["pruned"], row["pruned_confidence"]) == ("class 2", 0.45)


def test_a_dropped_branch_keeps_nothing(networks):
    view = made.by_hand(networks, unit="d")
    assert not view.kept_frames.any()
    assert not view.tiles.any()
    assert not view.groups.any()
    assert view.row()["kept_area"] == 0.0


def test_what_a_clip_does_is_measured_once(networks, seen):
    again = look(seen.clip, CHOICE._replace(budget=0.3, unit="d"), networks)
    for name, activity in again.activity.items():
        assert activity is seen.activity[name]
    assert again.ratios is seen.ratios
    assert again.dense is seen.dense
    assert again.ratio < seen.ratio
    other = ShownClip.of_set(made.clips(), 2)
    before = networks.pairs["AVA cv"].before
    assert measure_activity(before, other).cv != seen.own_activity.cv


def test_a_clip_of_another_shape_is_refused(networks):
    clip = ShownClip("wide", torch.zeros(1, 3, 4, 8, 16))
    with pytest.raises(DanceError, match=r"clips must be \(N, 3, 4, 8, 8\)"):
        look(clip, CHOICE, networks)
