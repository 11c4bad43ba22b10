"""The stages: fair arms under one schedule, and what each may and may not change."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dance_lib import PruningPlan, count
from dance_lib.aap.budget import Budget
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Masked
from dance_lib.train import (
    settle,
    stages,
    train_ava,
    train_controller,
    train_dense,
    train_gates,
    train_joint,
    train_planned,
)
from dance_lib.train.loop import Step
from dance_lib.train.settle import calibrate
from tests.networks import undecided
from tests.train.small import (
    BATCH,
    RECIPE,
    STEPS,
    every_clip,
    make_clips,
    make_net,
    same,
    state,
    without_seconds,
)


@pytest.fixture
def teacher(clips):
    return torch.randn(len(clips), 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def given(monkeypatch):
    """Stages hand over to `fit` and train nothing; its arguments end up here."""
    arguments = {}

    def fit(net, clips, loss, rates, **rest):
        arguments.update(rest, loss=loss, rates=rates)
        return []

    monkeypatch.setattr(stages, "fit", fit)
    return arguments


def step_of(clips, progress=0.0, rows=range(BATCH)):
    rows = torch.as_tensor(list(rows))
    return Step(clips.batch(rows), clips.targets[rows], rows, progress)


def prune(net, clips, recipe, teacher, **options):
    """Controller alone, then both."""
    return [
        *train_controller(net, clips, recipe, teacher=teacher, seed=0, **options),
        *train_joint(net, clips, recipe, teacher=teacher, seed=0, **options),
    ]


# ------------------------------------------------------------------ fair arms
@pytest.mark.parametrize("variant", ["none", "raw", "cv", "interaction"])
def test_every_arm_takes_as_many_steps_as_the_reference(clips, teacher, rates_used, variant):
    train_ava(make_net(), clips, RECIPE, variant="none", teacher=teacher, seed=0,
              epochs=RECIPE.retrain_epochs)  # fmt: skip
    reference = len(rates_used)
    assert reference == 4 * STEPS
    rates_used.clear()
    net = make_net()
    history = train_ava(net, clips, RECIPE, variant=variant, teacher=teacher, seed=0)
    history += prune(net, clips, RECIPE, teacher)
    assert len(rates_used) == reference
    assert len(history) == RECIPE.retrain_epochs
    first = "retrain" if variant == "none" else f"ava {variant}"
    assert [row["stage"] for row in history] == [first, "controller", "joint", "joint"]


def test_one_schedule_runs_through_all_of_retraining(clips, teacher, rates_used):
    train_ava(make_net(), clips, RECIPE, variant="none", teacher=teacher, seed=0,
              epochs=RECIPE.retrain_epochs)  # fmt: skip
    reference = [rate for (rate,) in rates_used]
    by_hand = [RECIPE.retrain_lr * (1 + math.cos(math.pi * i / 12)) / 2 for i in range(12)]
    assert reference == pytest.approx(by_hand)
    rates_used.clear()

    net = make_net()
    train_ava(net, clips, RECIPE, variant="cv", teacher=teacher, seed=0)
    assert [rate for (rate,) in rates_used] == pytest.approx(reference[:STEPS])
    rates_used.clear()
    train_controller(net, clips, RECIPE, teacher=teacher, seed=0)
    assert rates_used == [[RECIPE.controller_lr, RECIPE.threshold_lr]] * STEPS
    rates_used.clear()
    train_joint(net, clips, RECIPE, teacher=teacher, seed=0)
    backbone, controller, thresholds = zip(*rates_used, strict=True)
    assert backbone == pytest.approx(tuple(reference[2 * STEPS :]))
    assert backbone[0] == pytest.approx(0.5 * RECIPE.retrain_lr)  # half of the epochs are over
    falling = [(1 + math.cos(math.pi * i / 6)) / 2 for i in range(6)]
    assert controller == pytest.approx([RECIPE.controller_lr * share for share in falling])
    assert thresholds == pytest.approx([RECIPE.threshold_lr * share for share in falling])
    assert RECIPE.controller_lr < RECIPE.threshold_lr


@pytest.mark.parametrize("stage", [train_controller, train_joint])
def test_the_biases_of_the_gates_are_the_thresholds(net, clips, given, teacher, stage):
    """A parameter is in one group: the backbone, biases of gates, all else of the controller."""
    stage(net, clips, RECIPE, teacher=teacher, seed=0)
    names = {id(p): name for name, p in net.named_parameters()}
    groups = [{names[id(p)] for p in rate.parameters} for rate in given["rates"]]
    *backbone, controller, thresholds = groups
    assert thresholds == {f"controller.{h}_logits.bias" for h in ("frame", "tile", "channel")}
    own = {name for name in names.values() if name.startswith("controller.")}
    assert controller == own - thresholds
    assert backbone == ([set(names.values()) - own] if stage is train_joint else [])


def test_the_average_clip_is_known_from_the_controllers_own_stage_on(clips, teacher):
    """That stage leaves the rest of the network in evaluation, where nothing is taken in."""
    net = make_net(reads="average")
    train_controller(net, clips, RECIPE, teacher=teacher, seed=0, epochs=1)
    average = net.controller.average
    assert int(average.batches) == STEPS
    assert average.tiles.abs().sum() > 0


def test_the_dense_stage_is_one_cycle_without_a_teacher(net, clips, given):
    train_dense(net, clips, RECIPE, seed=0)
    (rate,) = given["rates"]
    assert [rate.peak * rate.shape(p) for p in (0.0, 0.2, 1.0)] == pytest.approx(
        [0.04 * RECIPE.lr, RECIPE.lr, 0.0]
    )
    assert {id(p) for p in rate.parameters} == {id(p) for p in net.backbone.parameters()}
    step = step_of(clips)
    expected = F.cross_entropy(net.dense(step.clips), step.targets, label_smoothing=0.05)
    assert given["loss"](step).item() == pytest.approx(expected.item())


def test_the_reference_goes_on_from_the_dense_network_with_distillation(net, clips, given, teacher):
    train_ava(net, clips, RECIPE, variant="none", teacher=teacher, seed=0, epochs=4)
    assert given["epochs"] == 4
    assert given["stage"] == "retrain"
    assert given["weight_decay"] == RECIPE.weight_decay


def test_training_learns(net, clips):
    history = train_dense(net, clips, RECIPE.model_copy(update={"dense_epochs": 8}), seed=0)
    assert history[-1]["accuracy"] > 0.4 > history[0]["accuracy"]  # chance is 0.2
    assert history[-1]["loss"] < history[0]["loss"]


# ------------------------------------------------------------------ losses by hand
def test_a_student_that_says_what_the_teacher_says_has_nothing_to_learn(net, clips, given):
    net.eval()
    with torch.no_grad():
        net.backbone.fc.weight.mul_(100)  # so that it says something else of each clip
        teacher = net.dense(every_clip(clips))
    train_ava(net, clips, RECIPE, variant="none", teacher=teacher, seed=0)
    step = step_of(clips, rows=[30, 2, 17, 5])
    expected = F.cross_entropy(teacher[step.rows], step.targets, label_smoothing=0.05)
    assert given["loss"](step).item() == pytest.approx(expected.item(), rel=1e-5)
    other = Step(step.clips, step.targets, step.rows.flip(0), 0.0)  # another clip's soft labels
    assert given["loss"](other).item() > expected.item() + 1e-3


@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_distillation_by_hand(net, clips, given, tau):
    """A student of equal logits, p = 1/5, and a teacher who gives 3 : 1 : 1 : 1 : 1 at τ."""
    nn.init.zeros_(net.backbone.fc.weight)
    nn.init.zeros_(net.backbone.fc.bias)
    teacher = torch.tensor([tau * math.log(3), 0.0, 0.0, 0.0, 0.0]).expand(len(clips), 5)
    recipe = RECIPE.model_copy(update={"distill": 0.5, "distill_temperature": tau})
    train_ava(net, clips, recipe, variant="none", teacher=teacher, seed=0)
    kl = 3 / 7 * math.log(15 / 7) + 4 / 7 * math.log(5 / 7)
    expected = math.log(5) + 0.5 * tau**2 * kl  # smoothing does not change a uniform student
    assert given["loss"](step_of(clips)).item() == pytest.approx(expected, rel=1e-5)


def test_no_weight_on_distillation_leaves_the_labels_alone(net, clips, given, teacher):
    recipe = RECIPE.model_copy(update={"distill": 0.0, "label_smoothing": 0.0})
    train_ava(net, clips, recipe, variant="none", teacher=teacher, seed=0)
    step = step_of(clips)
    logits = net.dense(step.clips).detach().double().numpy()
    chosen = logits[np.arange(BATCH), step.targets]
    by_hand = (np.log(np.exp(logits).sum(1)) - chosen).mean()
    assert given["loss"](step).item() == pytest.approx(by_hand, rel=1e-5)
    assert step.metrics["accuracy"] == (logits.argmax(1) == step.targets.numpy()).mean()


def test_ava_warms_up_over_a_quarter_of_its_stage(net, clips, given, teacher, monkeypatch):
    monkeypatch.setattr(stages.AVALoss, "__call__", lambda self, outputs: torch.tensor(10.0))
    train_ava(net, clips, RECIPE, variant="none", teacher=teacher, seed=0)
    without = given["loss"](step_of(clips)).item()
    train_ava(net, clips, RECIPE, variant="cv", teacher=teacher, seed=0)
    assert RECIPE.ava_weight == 0.1
    for progress, added in [(0.0, 0.0), (0.125, 0.5), (0.25, 1.0), (0.9, 1.0)]:
        step = step_of(clips, progress)
        assert given["loss"](step).item() == pytest.approx(without + added, rel=1e-5)
        assert step.metrics["ava"] == 10.0


def test_ava_sees_every_unit_of_the_dense_network(net, clips, given, teacher, monkeypatch):
    seen = []

    def record(self, outputs):
        seen.append({name: tuple(output.shape) for name, output in outputs.items()})
        return torch.tensor(0.0)

    monkeypatch.setattr(stages.AVALoss, "__call__", record)
    train_ava(net, clips, RECIPE, variant="cv", teacher=teacher, seed=0)
    given["loss"](step_of(clips))
    shapes = {name: (BATCH, *unit.out_shape) for name, unit in net.structure.units.items()}
    assert seen == [shapes]


def test_an_unknown_variant_is_refused(net, clips, teacher):
    with pytest.raises(DanceError, match="variant='cvv': Input should be"):
        train_ava(net, clips, RECIPE, variant="cvv", teacher=teacher, seed=0)


def test_interaction_needs_batches_of_sixteen(net, clips, teacher):
    recipe = RECIPE.model_copy(update={"batch_size": 15})
    with pytest.raises(DanceError, match="at least 16 clips"):
        train_ava(net, clips, recipe, variant="interaction", teacher=teacher, seed=0)


# ------------------------------------------------------------------ controller alone
def test_the_controller_stage_leaves_the_backbone_alone(net, clips, teacher):
    backbone, controller = state(net.backbone), state(net.controller)
    train_controller(net, clips, RECIPE, teacher=teacher, seed=0)
    assert same(state(net.backbone), backbone)  # running statistics too
    assert not same(state(net.controller), controller)
    assert all(p.requires_grad for p in net.parameters())


def test_what_was_frozen_before_the_controller_stage_stays_frozen(net, clips, teacher):
    net.backbone.stem[0].weight.requires_grad_(False)
    train_controller(net, clips, RECIPE, teacher=teacher, seed=0)
    frozen = [name for name, p in net.named_parameters() if not p.requires_grad]
    assert frozen == ["backbone.stem.0.weight"]


def test_a_failed_controller_stage_thaws_the_backbone(net, clips, teacher, monkeypatch):
    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Budget, "loss", fail)
    with pytest.raises(KeyboardInterrupt):
        train_controller(net, clips, RECIPE, teacher=teacher, seed=0)
    assert all(p.requires_grad for p in net.parameters())


# ------------------------------------------------------------------ budget
@pytest.mark.parametrize("stage", [train_controller, train_joint])
def test_a_budget_below_what_is_never_pruned_is_refused(net, clips, teacher, stage):
    """Stem 55,296, shortcut 4,096, head 80 and the controller, of 630,864 MACs."""
    floor = (55_296 + 4_096 + 80 + net.controller.macs) / 630_864
    before = state(net)
    for budget, refused in ((floor - 1e-3, True), (floor + 1e-3, False)):
        recipe = RECIPE.model_copy(update={"budget": budget, "controller_epochs": 0,
                                           "joint_epochs": 0})  # fmt: skip
        if refused:
            with pytest.raises(DanceError, match=rf"{floor:.3f} of the MACs are never pruned"):
                stage(net, clips, recipe, teacher=teacher, seed=0)
        else:
            assert stage(net, clips, recipe, teacher=teacher, seed=0) == []
    assert same(state(net), before)
    assert all(p.requires_grad for p in net.parameters())


def test_annealing_runs_on_from_the_controller_to_the_joint_stage(net, clips, teacher, monkeypatch):
    """ρ and the noise of the gates follow one clock over both stages."""
    clock, noises = [], []
    loss, decide = Budget.loss, type(net).decide

    def timed(self, structure, masks, progress, extra_macs=0, **rest):
        clock.append(progress)
        assert extra_macs == net.controller.macs
        return loss(self, structure, masks, progress, extra_macs, **rest)

    def noisy(self, *args, noise=0.0, **rest):
        noises.append(noise)
        return decide(self, *args, noise=noise, **rest)

    monkeypatch.setattr(Budget, "loss", timed)
    monkeypatch.setattr(type(net), "decide", noisy)
    monkeypatch.setattr(settle, "update_bn", lambda *_: None)
    monkeypatch.setattr(stages, "calibrate", lambda *_: None)
    prune(net, clips, RECIPE.model_copy(update={"gate_noise": 0.5}), teacher)
    assert clock == pytest.approx([i / 9 for i in range(9)])  # three epochs of three steps
    assert noises == pytest.approx([0.5 * (1 - i / 9) for i in range(9)])


def test_the_loss_of_the_gates_is_task_plus_weighted_budget(net, clips, given, teacher):
    recipe = RECIPE.model_copy(update={"gate_noise": 0.0, "distill": 0.0})
    train_joint(net, clips, recipe.model_copy(update={"joint_epochs": 2}), teacher=teacher, seed=0)
    net.eval()
    step = step_of(clips, progress=0.5)  # (1 epoch + half of 2) of 3
    with torch.no_grad():
        stem_output = net.stem(step.clips)
        masks = net.decide(stem_output)
        logits = net.body(stem_output, Masked(masks))
        penalty, ratios = recipe.make_budget().loss(
            net.structure, masks, 2 / 3, net.controller.macs
        )
        task = F.cross_entropy(logits, step.targets, label_smoothing=0.05)
    assert given["loss"](step).item() == pytest.approx((task + 30 * penalty).item(), rel=1e-5)
    assert step.metrics["R"] == pytest.approx(ratios.mean().item())
    assert step.metrics["budget"] == pytest.approx(penalty.item())


def test_the_budget_asks_a_share_of_the_pruned_axes_alone(clips, teacher, monkeypatch):
    asked, loss = [], Budget.loss

    def ask(self, *args, axes=None, **rest):
        asked.append((self.axis_share, axes))
        return loss(self, *args, axes=axes, **rest)

    monkeypatch.setattr(Budget, "loss", ask)
    recipe = RECIPE.model_copy(update={"axis_share": 0.25})
    net = make_net(axes=("channels", "frames"))
    train_controller(net, clips, recipe, teacher=teacher, seed=0)
    assert asked == [(0.25, ("frames", "channels"))] * STEPS


# ------------------------------------------------------------------ both stages in one call
def test_the_stages_of_the_gates_are_controller_and_joint(clips, teacher, tmp_path):
    net, expected = near_even(make_net()), near_even(make_net())
    history = train_gates(net, clips, RECIPE, teacher=teacher, seed=0, resume=tmp_path / "run.pt")
    assert without_seconds(history) == without_seconds(prune(expected, clips, RECIPE, teacher))
    assert same(state(net), state(expected))
    assert len(list(tmp_path.iterdir())) == 2  # both stages can go on


def test_a_frozen_backbone_stays_as_it_is(net, clips, teacher):
    """Weights, norm statistics and their counters, to the last bit; the gates learn."""
    near_even(net)
    backbone, controller = state(net.backbone), state(net.controller)
    history = train_gates(net, clips, RECIPE, teacher=teacher, seed=0, frozen=True)
    assert same(state(net.backbone), backbone)
    assert not same(state(net.controller), controller)
    assert mean_ratio(net, clips) == pytest.approx(RECIPE.budget, abs=0.002)  # calibrated
    assert all(p.requires_grad for p in net.parameters())
    stages_run = [(row["stage"], row["epoch"]) for row in history]
    assert stages_run == [("controller", 0), ("controller", 1), ("controller", 2)]  # 1 + 2 epochs


def test_a_frozen_stage_has_the_clock_of_both(net, clips, teacher, monkeypatch, rates_used):
    """ρ reaches its target after the same part of all epochs; the learning rates stay."""
    clock, loss = [], Budget.loss

    def timed(self, structure, masks, progress, *args, **rest):
        clock.append(progress)
        return loss(self, structure, masks, progress, *args, **rest)

    monkeypatch.setattr(Budget, "loss", timed)
    train_gates(net, clips, RECIPE, teacher=teacher, seed=0, frozen=True)
    assert clock == pytest.approx([i / 9 for i in range(9)])
    assert rates_used == [[RECIPE.controller_lr, RECIPE.threshold_lr]] * 9


def test_no_epochs_leave_a_frozen_network_alone(net, clips, teacher):
    before = state(net)
    recipe = RECIPE.model_copy(update={"controller_epochs": 0, "joint_epochs": 0})
    assert train_gates(net, clips, recipe, teacher=teacher, seed=0, frozen=True) == []
    assert same(state(net), before)


# ------------------------------------------------------------------ static plans
def test_static_plans_are_retrained_as_long_as_every_arm(net, clips, teacher, rates_used):
    sizes = []

    def plans(stem_output):
        sizes.append(len(stem_output))
        return PruningPlan.random(net, len(stem_output), frames=0.5)

    controller, backbone = state(net.controller), state(net.backbone)
    history = train_planned(net, clips, RECIPE, plans=plans, teacher=teacher, seed=0)
    by_hand = [RECIPE.retrain_lr * (1 + math.cos(math.pi * i / 12)) / 2 for i in range(12)]
    assert [rate for (rate,) in rates_used] == pytest.approx(by_hand)  # backbone alone
    assert sizes == [16, 16, 8] * 4
    assert [(row["stage"], row["epoch"]) for row in history] == [("planned", i) for i in range(4)]
    assert same(state(net.controller), controller)
    assert not same(state(net.backbone), backbone)


def test_the_loss_of_a_static_plan(net, clips, given, teacher):
    """That of the network under this plan, one for all clips, with the labels softened by both."""
    plan = PruningPlan.random(net, 1, frames=0.5, channels=0.5, features=0.5, seed=3)
    train_planned(net, clips, RECIPE, plans=lambda _: plan, teacher=teacher, seed=0)
    net.eval()
    step = step_of(clips)
    with torch.no_grad():
        logits = net(step.clips, plan=plan[[0] * BATCH])
        assert not torch.allclose(logits, net.dense(step.clips), atol=1e-3)
        task = F.cross_entropy(logits, step.targets, label_smoothing=0.05)
        soft = (teacher[step.rows] / 2).softmax(1)
        distance = (soft * (soft.log() - (logits / 2).log_softmax(1))).sum(1).mean()
    found = given["loss"](step)
    assert found.item() == pytest.approx((task + 0.3 * 2**2 * distance).item(), rel=1e-5)
    found.backward()
    assert all(p.grad is None for p in net.controller.parameters())


# ------------------------------------------------------------------ the end of the joint stage
def near_even(net):
    """Gates near even odds, different for each clip."""
    torch.manual_seed(5)
    return undecided(net, std=1.0)


def mean_ratio(net, clips):
    sums = count(net, net.plan(every_clip(clips))).groupby("clip").sum(numeric_only=True)
    return (sums["ideal_macs"] / sums["dense_macs"]).mean()


@pytest.mark.parametrize("budget", [0.3, 0.5, 0.8])
def test_calibrate_meets_the_budget_and_moves_biases_alone(net, clips, budget):
    near_even(net).eval()
    before = state(net)
    assert abs(mean_ratio(net, clips) - budget) > 0.01
    shift = calibrate(net, clips, RECIPE.model_copy(update={"budget": budget}))
    assert mean_ratio(net, clips) == pytest.approx(budget, abs=0.002)
    moved = {name for name, value in net.state_dict().items() if not value.equal(before[name])}
    assert moved == {f"controller.{h}_logits.bias" for h in ("frame", "tile", "channel")}
    for name in moved:
        torch.testing.assert_close(net.state_dict()[name], before[name] + shift)


def test_calibrate_takes_the_nearest_it_can_get(net):
    """Two clips: R moves in steps larger than the tolerance."""
    clips = make_clips(2)
    near_even(net).eval()
    heads = net.controller.logit_heads()
    biases = [head.bias.clone() for head in heads]
    calibrate(net, clips, RECIPE, tolerance=1e-9)
    reached = abs(mean_ratio(net, clips) - RECIPE.budget)
    distances = []
    for shift in np.linspace(-8, 8, 101):
        with torch.no_grad():
            for head, bias in zip(heads, biases, strict=True):
                head.bias.copy_(bias + shift)
        distances.append(abs(mean_ratio(net, clips) - RECIPE.budget))
    assert reached <= min(distances) + 1e-6


def test_the_joint_stage_ends_on_its_budget(net, clips, teacher):
    near_even(net)
    prune(net, clips, RECIPE, teacher)
    assert mean_ratio(net, clips) == pytest.approx(RECIPE.budget, abs=0.002)


def test_norm_statistics_are_recomputed_without_noise(net, clips, teacher, monkeypatch):
    """The mean over batches of each batch's mean and unbiased variance, taken by hooks."""
    monkeypatch.setattr(stages, "calibrate", lambda *_: None)
    near_even(net)
    prune(net, clips, RECIPE, teacher)
    norms = {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }
    assert len(norms) == 6  # stem, a, b, and the three of the controller
    found = {name: (m.running_mean.clone(), m.running_var.clone()) for name, m in norms.items()}
    taken = {name: [] for name in norms}
    for name, module in norms.items():

        def hook(module, inputs, name=name):
            values = inputs[0].detach().double().transpose(0, 1).flatten(1).numpy()
            taken[name].append((values.mean(1), values.var(1, ddof=1)))

        module.register_forward_pre_hook(hook)
    net.train()
    with torch.no_grad():
        for start in range(0, len(clips), BATCH):
            net(clips.batch(range(start, min(start + BATCH, len(clips)))))
    for name, (mean, variance) in found.items():
        means, variances = zip(*taken[name], strict=True)
        assert len(means) == STEPS
        np.testing.assert_allclose(mean, np.mean(means, 0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance, np.mean(variances, 0), rtol=1e-4, atol=1e-5)
        assert norms[name].momentum == 0.1


def test_without_a_joint_stage_nothing_is_recomputed(net, clips, teacher):
    before = state(net)
    recipe = RECIPE.model_copy(update={"joint_epochs": 0})
    assert train_joint(net, clips, recipe, teacher=teacher, seed=0) == []
    assert same(state(net), before)


# ------------------------------------------------------------------ going on
def test_a_killed_joint_stage_goes_on_as_if_it_had_not_been(clips, teacher, tmp_path, monkeypatch):
    """Gate noise, both optimisers' groups, norm statistics and calibration included."""
    whole = near_even(make_net())
    history = prune(whole, clips, RECIPE, teacher)

    loss, calls = Budget.loss, []

    def kill(self, *args, **rest):
        calls.append(1)
        if len(calls) == 2 * STEPS + 2:  # in the second epoch of the joint stage
            raise KeyboardInterrupt
        return loss(self, *args, **rest)

    monkeypatch.setattr(Budget, "loss", kill)
    with pytest.raises(KeyboardInterrupt):
        prune(near_even(make_net()), clips, RECIPE, teacher, resume=tmp_path / "run.pt")
    net = near_even(make_net())
    resumed = prune(net, clips, RECIPE, teacher, resume=tmp_path / "run.pt")
    assert len(calls) == 2 * STEPS + 2 + STEPS
    assert same(state(net), state(whole))
    assert without_seconds(resumed) == without_seconds(history)


@pytest.mark.parametrize(
    "other",
    [{"budget": 0.6}, {"gate_noise": 0.1}, {"distill": 0.1}, {"slack": (0.1, 0.1)}],
    ids=str,
)
def test_a_stage_of_another_recipe_starts_anew(clips, teacher, tmp_path, other):
    recipe = RECIPE.model_copy(update=other)
    resume = tmp_path / "run.pt"
    train_controller(near_even(make_net()), clips, RECIPE, teacher=teacher, seed=0, resume=resume)
    net, expected = near_even(make_net()), near_even(make_net())
    train_controller(net, clips, recipe, teacher=teacher, seed=0, resume=resume)
    train_controller(expected, clips, recipe, teacher=teacher, seed=0)
    assert same(state(net), state(expected))
