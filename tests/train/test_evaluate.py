"""Predictions keep the order of the rows, whichever plans are run."""

import pytest
import torch

from dance_lib import PruningPlan, count
from dance_lib.aap.plan import AXES
from dance_lib.errors import DanceError
from dance_lib.train import Prediction, choose_plans, predict
from tests.networks import randomise, undecided
from tests.train.small import every_clip, make_clips, make_net


@pytest.fixture
def net():
    """Plans of this one differ from clip to clip."""
    net = undecided(make_net())
    randomise(net.backbone)
    return net.eval()


def equal(one, other):
    return all(
        torch.equal(getattr(one, axis)[u], getattr(other, axis)[u])
        for axis in AXES
        for u in one.units
    )


@pytest.mark.parametrize("batch_size", [40, 7])
def test_own_plans(net, clips, batch_size):
    batch = every_clip(clips)
    plan = net.plan(batch)
    assert not equal(plan, plan[torch.arange(len(clips)).roll(1)])
    prediction = predict(net, clips, batch_size=batch_size)
    assert equal(prediction.plan, plan)
    assert equal(choose_plans(net, clips, batch_size), plan)
    assert torch.equal(prediction.targets, clips.targets)
    with torch.no_grad():
        torch.testing.assert_close(prediction.logits, net(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("plan", ["controller", "dense"])
def test_neither_batches_nor_order_matter(net, clips, plan):
    """The same batches to the bit, others to 1e-5; a clip keeps its class whatever goes with it."""
    whole = predict(net, clips, plan)
    assert torch.equal(predict(net, clips, plan).logits, whole.logits)
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(0))
    for size in (1, 3, 16):
        for rows in (torch.arange(len(clips)), order):
            other = predict(net, clips.take(rows.tolist()), plan, batch_size=size)
            torch.testing.assert_close(other.logits, whole.logits[rows], rtol=1e-5, atol=1e-5)
            assert torch.equal(other.logits.argmax(1), whole.logits[rows].argmax(1))
            assert plan == "dense" or equal(other.plan, whole.plan[rows])


def test_dense(net, clips):
    prediction = predict(net, clips, "dense", batch_size=7)
    assert prediction.plan is None
    with torch.no_grad():
        bare = net.backbone((every_clip(clips) - net.mean) / net.std)
    torch.testing.assert_close(prediction.logits, bare, rtol=1e-4, atol=1e-5)
    assert torch.equal(prediction.mac_ratios(net), torch.ones(len(clips)))


def test_a_given_plan_goes_by_rows(net, clips):
    plan = PruningPlan.random(net, len(clips), frames=0.5, channels=0.5, features=0.5, seed=3)
    prediction = predict(net, clips, plan, batch_size=7)
    assert equal(prediction.plan, plan)
    for row in (0, 6, 7, 39):
        with torch.no_grad():
            alone = net(clips.batch([row]), plan=plan[row])
        torch.testing.assert_close(prediction.logits[row], alone[0], rtol=1e-4, atol=1e-5)


def test_a_full_plan_is_dense(net, clips):
    full = predict(net, clips, PruningPlan.full(net, len(clips)))
    torch.testing.assert_close(full.logits, predict(net, clips, "dense").logits)


def test_evaluation_uses_running_statistics_and_leaves_them_alone(net, clips):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = predict(net, clips).logits
    net.train()
    assert torch.equal(predict(net, clips).logits, expected)
    assert torch.equal(choose_plans(net.train(), clips).frames["a.0"], net.plan(
        every_clip(clips)).frames["a.0"])  # fmt: skip
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_accuracy_by_hand():
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.0, 5.0]])
    prediction = Prediction(logits, torch.tensor([0, 0, 0, 1]), None)
    assert prediction.correct.tolist() == [True, False, True, True]
    assert prediction.accuracy == 0.75


def test_mac_ratios_are_those_of_the_count(net, clips):
    prediction = predict(net, clips)
    sums = count(net, prediction.plan).groupby("clip")[["ideal_macs", "dense_macs"]].sum()
    expected = (sums["ideal_macs"] / sums["dense_macs"]).to_numpy()
    assert prediction.mac_ratios(net).tolist() == pytest.approx(expected.tolist())
    assert expected.max() > expected.min()


@pytest.mark.parametrize("count", [39, 41])
def test_a_plan_for_another_number_of_clips_is_refused(net, clips, count):
    with pytest.raises(DanceError, match=f"{count} clips.* 40"):
        predict(net, clips, PruningPlan.full(net, count))


def test_a_plan_of_another_network_is_refused(net, clips):
    other = make_net(group_size=8)
    plan = PruningPlan.full(other, len(clips))
    renamed = PruningPlan(*({f"x{u}": e for u, e in getattr(plan, a).items()} for a in AXES))
    with pytest.raises(DanceError, match="another network"):
        predict(net, clips, renamed)


def test_an_unknown_word_for_a_plan_is_refused(net, clips):
    with pytest.raises(DanceError, match=r"'densee'.*controller.*dense"):
        predict(net, clips, "densee")


def test_one_clip(net):
    clips = make_clips(1)
    assert predict(net, clips).logits.shape == (1, 5)
