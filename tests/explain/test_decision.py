"""What a decision says, against a plan whose shares and MACs are known by hand."""

import numpy as np
import pytest
import torch

import dance_lib as dance
from dance_lib.data.clips import as_clips
from dance_lib.errors import DanceError
from dance_lib.explain.decision import decide
from tests.explain.made import CLIP, clips_of, network


def noise(clips=1):
    shape = (clips, *CLIP[1:], 3)
    return clips_of(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def test_clips_are_what_training_sees():
    video = noise(2)
    batch = as_clips(video.frames)
    assert batch.shape == (2, *CLIP)
    assert batch[1, 2, 3, 4, 5].item() == np.float32(video.frames[1, 3, 4, 5, 2] / 255)


def test_probabilities_are_the_networks_and_averaged_over_clips():
    net, video = network(), noise(3)
    decision = decide(net, video)
    with torch.no_grad():
        alone = torch.cat([net(clip).softmax(1) for clip in as_clips(video.frames).split(1)])
    torch.testing.assert_close(decision.probabilities, alone)
    mean = alone.mean(0)
    (first, likeliest), (second, next_one) = decision.best(2)
    assert (first, second) == tuple(mean.argsort(descending=True)[:2].tolist())
    assert likeliest == pytest.approx(mean[first].item())
    assert next_one == pytest.approx(mean[second].item())


def test_more_classes_than_there_are_is_all_of_them():
    assert len(decide(network(), noise()).best(99)) == 3


def test_a_plan_with_half_of_each_axis_in_one_branch(monkeypatch):
    net = network()
    full = dance.PruningPlan.full(net)
    branch = net.structure.branches["layer2"]
    frames, channels, features = (
        dict(getattr(full, a)) for a in ("frames", "channels", "features")
    )
    for unit in branch.units:
        frames[unit] = torch.arange(8)[None] < 2  # a quarter
        channels[unit] = torch.arange(32)[None] % 2 == 0  # a half
        features[unit] = torch.zeros_like(features[unit])
        features[unit][:, :, : features[unit].shape[2] // 2] = True  # a half
    plan = dance.PruningPlan(frames, channels, features)
    monkeypatch.setattr(net, "plan", lambda clip: plan)
    decision = decide(net, noise())

    kept = decision.kept
    assert list(kept.index) == ["layer1", "layer2", "layer3"]
    axes = ["frames", "channels", "features"]
    assert kept.loc["layer2", axes].tolist() == pytest.approx([0.25, 0.5, 0.5])
    assert kept.loc[["layer1", "layer3"], axes].to_numpy() == pytest.approx(1)

    units = net.structure.units.values()
    of_branch = sum(u.dense_macs for u in units if u.branch == "layer2")
    of_all = sum(u.dense_macs for u in units)
    assert kept.loc["layer2", "dense_share"] == pytest.approx(of_branch / net.structure.dense_macs)
    share = of_branch / of_all
    expected = [1 - 0.75 * share, 1 - 0.5 * share, 1 - 0.5 * share]
    assert decision.kept_overall[axes].tolist() == pytest.approx(expected)

    # The branch's first convolution reads the whole residual stream, the others its own half.
    macs = [0.25 * 0.5 * 0.5 * net.structure.units[u].dense_macs for u in branch.units]
    saved = of_branch - macs[0] - sum(macs[1:]) / 2
    dense = net.structure.dense_macs
    assert decision.mac_ratios.item() == pytest.approx(
        (dense - saved + net.controller.macs) / dense
    )
    assert decision.work[0, 7].mean().item() == pytest.approx(1 - share, abs=1e-6)


def test_clips_of_another_shape_are_refused():
    with pytest.raises(DanceError, match="clips must be"):
        decide(network(), clips_of(np.zeros((1, 8, 16, 16, 3), np.uint8)))
