"""The cheapest right plan of several, with predictions that are written down."""

import pytest
import torch

from dance_lib.analysis import oracle
from dance_lib.train import Prediction, predict
from tests.analysis.plans import decided
from tests.train.small import make_clips, make_net, same, state


def guesses(right, targets):
    """Logits that are right on some clips."""
    wrong = (targets + 1) % 5
    return torch.eye(5)[torch.where(torch.tensor(right), targets, wrong)]


def test_the_cheapest_right_plan_stands_for_a_clip(net, monkeypatch):
    clips = make_clips(3)
    first, _ = net.structure.branches
    own = decided(net, 3, frames={first: [[1, 1, 1, 0]] * 3})
    cheap = decided(net, 3, frames={first: [[1, 0, 0, 0]] * 3})
    dear = decided(net, 3)
    tried = iter([cheap, dear])
    right = {id(cheap): [True, False, False], id(dear): [True, True, False]}

    def prediction(plan, of):
        return Prediction(guesses(of, clips.targets), clips.targets, plan)

    monkeypatch.setattr(oracle, "_noisy", lambda net, clips: next(tried))
    monkeypatch.setattr(
        oracle, "predict", lambda net, clips, plan: prediction(plan, right[id(plan)])
    )
    rows = oracle.oracle_rows(net, clips, prediction(own, [True, False, False]), count=2)
    assert rows["correct"].tolist() == [1, 1, 0]
    ratios = [oracle.clip_rows(net, clips, prediction(p, [True] * 3), plans="x")["mac_ratio"][0]
              for p in (cheap, dear, own)]  # fmt: skip
    assert rows["mac_ratio"].tolist() == ratios  # cheap is right; only dear is; none, so own
    assert set(rows["plans"]) == {"oracle"}


def test_the_first_clips_stand_for_all(monkeypatch):
    monkeypatch.setattr(oracle, "MOST_CLIPS", 4)
    net, clips = make_net().eval(), make_clips(6)
    rows = oracle.oracle_rows(net, clips, predict(net, clips), count=1)
    assert rows["path"].tolist() == [f"{i:03}.mp4" for i in range(4)]


def test_a_network_in_training_is_left_as_it_is():
    """Running statistics, too: it looks, and learns nothing."""
    net, clips = make_net().eval(), make_clips(6)
    own, before = predict(net, clips), state(net)
    expected = oracle.oracle_rows(net, clips, own, count=2)
    found = oracle.oracle_rows(net.train(), clips, own, count=2)
    assert same(state(net), before)
    assert found.equals(expected)


def test_without_others_the_own_plans_stand(net):
    clips = make_clips(6)
    own = predict(net, clips)
    rows = oracle.oracle_rows(net, clips, own, count=0)
    assert rows["correct"].tolist() == own.correct.int().tolist()
    assert rows["mac_ratio"].tolist() == pytest.approx(own.mac_ratios(net).tolist(), abs=1e-5)


def test_plans_around_the_own_repeat_by_their_seed():
    net, clips = make_net().eval(), make_clips(6)
    own = predict(net, clips)
    one, again, other = (
        oracle.oracle_rows(net, clips, own, count=2, seed=seed)["mac_ratio"].tolist()
        for seed in (0, 0, 1)
    )
    assert one == again
    assert one != other
    own_ratios = own.mac_ratios(net).tolist()
    assert any(
        found != pytest.approx(r, abs=1e-4) for found, r in zip(one, own_ratios, strict=True)
    )
