"""All stages as one call give what they give one by one, and refuse before they train."""

import pytest
import torch

from dance_lib import Dance
from dance_lib.errors import DanceError
from dance_lib.train import Recipe, predict, prune, train_ava, train_dense, train_gates
from dance_lib.train.pruning import least_ratio
from tests.networks import CLIP, FAMILIES
from tests.train.small import RECIPE, make_clips, make_net, same, state, without_seconds


@pytest.fixture(scope="module")
def test_clips():
    return make_clips(20, seed=1)


def one_by_one(net, clips, test_clips, seed=5):
    history = train_dense(net, clips, RECIPE, seed=seed)
    dense = predict(net, test_clips, "dense")
    teacher = predict(net, clips, "dense").logits
    history += train_ava(net, clips, RECIPE, variant="cv", teacher=teacher, seed=seed)
    history += train_gates(net, clips, RECIPE, teacher=teacher, seed=seed)
    return dense, predict(net, test_clips), history


def test_it_is_the_stages_in_order(net, clips, test_clips):
    done = prune(net, clips, test_clips, RECIPE, seed=5)
    other = make_net()
    dense, pruned, history = one_by_one(other, clips, test_clips)
    torch.testing.assert_close(done.dense.logits, dense.logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(done.pruned.logits, pruned.logits, rtol=1e-3, atol=1e-3)
    stages = ["dense"] * 2 + ["ava cv", "controller", "joint", "joint"]
    assert [row["stage"] for row in done.history] == stages == [row["stage"] for row in history]
    assert done.dense.plan is None
    assert not net.training
    with torch.no_grad():
        logits = net(test_clips.batch(range(20)))
    torch.testing.assert_close(logits, done.pruned.logits, rtol=1e-4, atol=1e-4)


def test_a_trained_network_is_not_trained_densely_again(net, clips, test_clips):
    recipe = RECIPE.model_copy(update={"dense_epochs": 0, "ava_epochs": 0})
    before = predict(net, test_clips, "dense").logits
    done = prune(net, clips, test_clips, recipe)
    torch.testing.assert_close(done.dense.logits, before, rtol=1e-4, atol=1e-4)
    assert {row["stage"] for row in done.history} == {"controller", "joint"}


@pytest.mark.parametrize("killed_in", range(6))
def test_a_killed_run_goes_on_with_the_same_result(
    clips, test_clips, tmp_path, monkeypatch, killed_in
):
    whole = make_net()
    expected = prune(whole, clips, test_clips, RECIPE, resume=tmp_path / "whole")
    left = 3 * killed_in + 1  # three steps an epoch: in the middle of one
    step = torch.optim.AdamW.step

    def dies(self, *args, **kwargs):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        prune(make_net(), clips, test_clips, RECIPE, resume=tmp_path / "run")
    left = 18 - 3 * killed_in  # what is left, and not a step more
    net = make_net()
    done = prune(net, clips, test_clips, RECIPE, resume=tmp_path / "run")
    assert left == 0
    assert same(state(net), state(whole))
    assert torch.equal(done.dense.logits, expected.dense.logits)
    # Epochs that were kept are told as they were, seconds and all.
    assert without_seconds(done.history) == without_seconds(expected.history)


@pytest.mark.parametrize(
    ("change", "variant", "message"),
    [
        ({"budget": 0.05}, "cv", "a budget of 0.05 can't be met: 0.1"),
        ({"controller_epochs": 0, "joint_epochs": 0}, "cv", "nothing would be pruned"),
        ({}, "cw", "variant='cw': Input should be 'none', 'raw'"),
        ({"batch_size": 8}, "interaction", "needs batches of at least 16 clips"),
    ],
)
def test_what_can_not_be_done_is_said_before_training(
    net, clips, test_clips, rates_used, change, variant, message
):
    recipe = Recipe(**{**RECIPE.model_dump(), **change})
    with pytest.raises(DanceError, match=message):
        prune(net, clips, test_clips, recipe, variant=variant)
    assert rates_used == []


def test_the_least_that_can_be_kept():
    """Without frames and tiles to drop, each unit keeps a group of 8 channels."""
    macs = {"stem": 8 * 256 * 27, "shortcut": 16 * 32 * 8, "fc": 16 * 5}
    a, b = 8 * 256 * 8 * 9, 8 * 256 * 8 * 3  # 8 of 16 channels written; 8 of 16 read
    c, d = 8 * 32 * 8 * 27, 8 * 32 * 8  # 8 of 24 written; 8 of 24 read, 8 of 16 written
    net = make_net(axes=("channels",))
    left = sum(macs.values()) + a + b + c + d + net.controller.macs
    assert least_ratio(net) == pytest.approx(left / net.structure.dense_macs)
    net = make_net()  # branches can be dropped whole
    left = sum(macs.values()) + net.controller.macs
    assert least_ratio(net) == pytest.approx(left / net.structure.dense_macs)


def test_the_least_of_a_plain_network_is_more_than_its_stem():
    net = Dance(FAMILIES["c3d"](), CLIP)
    stem = (net.structure.other_macs + net.controller.macs) / net.structure.dense_macs
    assert stem < least_ratio(net) < stem + 0.05
