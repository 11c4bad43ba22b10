"""Every rival from its name to a network that predicts, at the MACs it was to have."""

from types import SimpleNamespace

import pytest
import torch

from dance_lib import Dance, PruningPlan
from dance_lib.aap.plan import AXES
from dance_lib.errors import DanceError
from dance_lib.meter.cost import mac_ratios
from dance_lib.models.zoo import Recipe
from dance_lib.rivals import train as module
from dance_lib.rivals import train_rival
from dance_lib.rivals.fatrelu import input_mac_ratios
from dance_lib.rivals.plans import mean_gates, without_branches
from dance_lib.train import predict
from tests.networks import TwoBlocks
from tests.train.small import RECIPE, every_clip, make_clips, make_net, same, state

STATIC = ("mean_gates", "branches", "random_fixed", "random_clip")


@pytest.fixture
def teacher(clips):
    return torch.randn(len(clips), 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def plans(net, clips):
    return PruningPlan.random(net, len(clips), frames=0.7, channels=0.7, features=0.7, seed=1)


@pytest.fixture
def rival(net, clips, plans, teacher):
    """Train a rival of a method, seed 0."""

    def make(method, budget=0.5, **more):
        recipe = RECIPE.model_copy(update={"budget": budget})
        arguments = {"plans": plans, "teacher": teacher, "seed": 0} | more
        return train_rival(method, net, clips, recipe, **arguments)

    return make


@pytest.fixture
def untrained(monkeypatch):
    """Nothing is trained; what `train_planned` is given ends up here."""
    given = {}
    monkeypatch.setattr(module, "train_planned", lambda *_, **rest: given.update(rest) or [])
    return given


def same_plan(one, other):
    return all(
        torch.equal(getattr(one, axis)[u], getattr(other, axis)[u])
        for axis in AXES
        for u in one.units
    )


# ------------------------------------------------------------------ all of them
@pytest.mark.parametrize("method", STATIC)
def test_static_plans_are_trained_and_run(net, clips, rival, method):
    before, controller = state(net.backbone), state(net.controller)
    found = rival(method)
    assert found.net is net  # the dense network went on
    assert [(row["stage"], row["epoch"]) for row in found.history] == [
        ("planned", i) for i in range(4)
    ]
    assert not same(state(net.backbone), before)
    assert same(state(net.controller), controller)
    assert found.relu_macs is None
    plan = found.plans(len(clips))
    prediction = predict(found.net, clips, plan)
    assert torch.isfinite(prediction.logits).all()
    ratios = mac_ratios(net.structure, plan)
    limit = 0.38 if method == "branches" else 0.5  # without the larger branch
    assert ratios.mean().item() == pytest.approx(limit, abs=0.09)  # few frames and groups
    assert same_plan(found.plans(len(clips)), plan)  # the same when asked again
    assert ratios.unique().numel() == 1


@pytest.mark.parametrize(
    ("method", "budget", "stages"),
    [
        ("magnitude", 0.55, ["retrain"] * 4),
        ("narrow", 0.45, ["dense"] * 2 + ["retrain"] * 4),
        ("fatrelu", 0.5, ["retrain"] * 4),
    ],
)
def test_networks_that_are_smaller_or_sparser(net, clips, rival, method, budget, stages):
    found = rival(method, budget)
    assert found.plans is None
    assert [row["stage"] for row in found.history] == stages
    prediction = predict(found.net, clips, "dense")
    assert prediction.logits.shape == (len(clips), 5)
    assert torch.isfinite(prediction.logits).all()
    assert (found.relu_macs is not None) == (method == "fatrelu")
    if method == "fatrelu":  # of the training clips, after training
        assert found.relu_macs < 0.95  # ReLU alone makes zeros
        ratio = input_mac_ratios(found.net, every_clip(clips)).mean().item()
        assert ratio / found.relu_macs == pytest.approx(budget, abs=0.01)
        assert found.net.structure.dense_macs == 630_864
    else:
        assert found.net.structure.dense_macs / 630_864 == pytest.approx(budget, abs=0.02)


@pytest.mark.parametrize(("method", "inherits"), [("narrow", True), ("scratch", False)])
def test_from_scratch_no_trained_weight_stays(net, clips, rival, method, inherits, monkeypatch):
    begun = []
    monkeypatch.setattr(module, "train_dense", lambda small, *_, **__: begun.append(small) or [])
    monkeypatch.setattr(module, "train_ava", lambda *_, **__: [])
    net.backbone.recipe = Recipe("two_blocks", 5)
    monkeypatch.setattr(module, "create_model", lambda name, classes, shape: TwoBlocks())
    with torch.no_grad():
        for parameter in net.backbone.parameters():
            parameter.fill_(0.25)  # as if that had been learned
    rival(method, 0.45)
    weights = [w for w in begun[0].backbone.parameters() if w.dim() > 1]
    assert all(bool((w == 0.25).all()) == inherits for w in weights)
    assert begun[0].structure.dense_macs / 630_864 == pytest.approx(0.45, abs=0.02)


def test_from_scratch_a_network_of_ones_own_is_refused(rival):
    with pytest.raises(DanceError, match="`scratch` needs one of create_model"):
        rival("scratch")


@pytest.mark.parametrize("method", ["magnitude", "fatrelu"])
def test_pixels_are_normalised_as_before(clips, plans, teacher, method, monkeypatch):
    monkeypatch.setattr(module, "smaller", lambda backbone, *_: (backbone, 0.5))
    net = make_net(mean=[0.1, 0.2, 0.3], std=0.5, group_size=4)
    found = train_rival(method, net, clips, RECIPE, plans=plans, teacher=teacher, seed=0).net
    assert torch.equal(found.mean, net.mean)
    assert torch.equal(found.std, net.std)
    assert (found.grid, found.structure.group_size) == (4, 4)


def test_a_rival_can_go_on(rival, tmp_path):
    rival("random_fixed", resume=tmp_path / "run.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt.planned"]


@pytest.mark.parametrize("method", ["", "Narrow", "lottery"])
def test_an_unknown_method_is_refused(net, rival, method):
    before = state(net)
    with pytest.raises(
        DanceError, match=rf"unknown rival '{method}'; known: mean_gates, .*fatrelu"
    ):
        rival(method)
    assert same(state(net), before)


# ------------------------------------------------------------------ which plan
def test_mean_gates_are_those_of_the_arm(net, rival, plans, untrained):
    found = rival("mean_gates", 0.6)
    expected = mean_gates(plans, net.structure, 0.6)
    assert same_plan(untrained["plans"](16), expected)  # one for all clips
    assert len(found.plans(7)) == 7
    assert all(same_plan(found.plans(7)[n], expected) for n in range(7))


@pytest.mark.parametrize("best", [0, 1])
def test_the_branch_is_dropped_that_costs_least_accuracy(
    net, clips, rival, untrained, monkeypatch, best
):
    """At 0.8 of the MACs either branch can go."""
    names, asked = list(net.structure.branches), []

    def accuracy(network, some, plan):
        asked.append((network, len(some), len(plan)))
        keeps_first = bool(plan.frames["a.0"].any())
        return SimpleNamespace(accuracy=0.7 if keeps_first == (best == 1) else 0.4)

    monkeypatch.setattr(module, "predict", accuracy)
    monkeypatch.setattr(module, "TRIED", 30)
    found = rival("branches", 0.8)
    assert asked == [(net, 30, 30)] * 2
    expected = without_branches(net.structure, [names[best]])
    assert same_plan(untrained["plans"](16), expected)
    assert same_plan(found.plans(1), expected)


def test_branches_that_can_not_be_dropped_say_so(rival):
    with pytest.raises(DanceError, match=r"no set of branches .* 0\.05 of the MACs"):
        rival("branches", 0.05)


def test_one_random_plan_is_drawn_by_the_seed(rival, untrained):
    one, again, other = (rival("random_fixed", seed=seed).plans(2) for seed in (0, 0, 1))
    assert same_plan(one, again)
    assert not same_plan(one, other)
    assert same_plan(one[0], one[1])
    assert same_plan(untrained["plans"](5), other[0])


def test_random_plans_are_drawn_anew_for_every_clip_and_step(rival, untrained):
    found = rival("random_clip")
    plans = untrained["plans"]
    torch.manual_seed(3)
    clips = torch.zeros(6, 1)
    first, second = plans(clips), plans(clips)
    torch.manual_seed(3)
    assert same_plan(plans(clips), first)  # as a stage that is gone on with repeats them
    assert not same_plan(first, second)
    assert not same_plan(first[0], first[1])
    tested = found.plans(6)
    assert not same_plan(tested[0], tested[1])


@pytest.mark.parametrize("budget", [0.7, 0.5, 0.3])
def test_random_plans_have_the_mean_ratio_of_the_budget(budget, untrained):
    """One keep rate for all axes; at a clip of many frames and in single channels."""
    net = Dance(TwoBlocks(), (3, 16, 56, 56), group_size=1)
    recipe = RECIPE.model_copy(update={"budget": budget})
    rest = {"plans": PruningPlan.full(net), "teacher": torch.zeros(1, 5), "seed": 4}
    plan = train_rival("random_clip", net, make_clips(1), recipe, **rest).plans(100)
    assert mac_ratios(net.structure, plan).mean().item() == pytest.approx(budget, abs=0.03)
    rates = [getattr(plan, axis)["a.0"].float().mean().item() for axis in AXES]
    assert max(rates) - min(rates) < 0.07
