"""The stages of training, each a loss and the parameters it moves."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from dance_lib import shard
from dance_lib.aap.plan import PruningPlan
from dance_lib.arguments import Count, Seed, checked
from dance_lib.ava import MIN_CLIPS, AVALoss, Variant
from dance_lib.data.clips import ClipSet
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Masked, Recorded
from dance_lib.network import Dance
from dance_lib.train.loop import Rate, Step, cosine, fit, one_cycle
from dance_lib.train.recipe import Recipe
from dance_lib.train.settle import calibrate, recompute_norms

History = list[dict[str, Any]]


@checked
def train_dense(
    net: Dance, clips: ClipSet, recipe: Recipe, *, seed: Seed, resume: Path | None = None
) -> History:
    """Train the backbone without pruning; where every arm starts."""
    return _fit(
        net,
        clips,
        recipe,
        partial(_dense_loss, net, recipe, None),
        [Rate(list(net.backbone.parameters()), recipe.lr, one_cycle)],
        stage="dense",
        epochs=recipe.dense_epochs,
        seed=seed,
        prepare=net.train,
        resume=resume,
    )


@checked
def train_ava(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    *,
    variant: Variant,
    teacher: Tensor,
    seed: Seed,
    epochs: Count | None = None,
    resume: Path | None = None,
) -> History:
    """Retrain the dense network, its activation variability amplified by a variant of AVA.

    Args:
        variant: `none` leaves distillation alone: with `epochs=recipe.retrain_epochs` that is the
            dense reference, otherwise the arm without AVA.
        teacher: (rows of clips, classes), logits of the dense network.
        epochs: `recipe.ava_epochs` if None.

    Raises:
        DanceError: unknown variant, or batches too small for `interaction`.
    """
    epochs = recipe.ava_epochs if epochs is None else epochs
    _check_teacher(teacher, net, clips)
    ava = make_ava(net, clips, recipe, variant)
    least = _least_clips(variant)

    def loss(step: Step) -> Tensor:
        if variant == "none" or len(step.rows) < least:  # the rest of an epoch may be too small
            return _dense_loss(net, recipe, teacher, step)
        outputs: dict[str, Tensor] = {}
        logits = net.body(net.stem(step.clips), Recorded(outputs.__setitem__))
        warm = min(1.0, step.progress * 4)  # a quarter of the stage
        amplified = ava(outputs)
        step.metrics["ava"] = amplified.item()
        return _task_loss(recipe, logits, teacher, step) + recipe.ava_weight * warm * amplified

    return _fit(
        net,
        clips,
        recipe,
        loss,
        [_backbone_rate(net, recipe, 0, epochs)],
        stage="retrain" if variant == "none" else f"ava {variant}",
        epochs=epochs,
        seed=seed + 1,
        prepare=net.train,
        resume=resume,
    )


def make_ava(net: Dance, clips: ClipSet, recipe: Recipe, variant: Variant) -> AVALoss:
    """The loss of a variant of AVA; raises as `train_ava`."""
    ava, least = AVALoss(net.structure, variant), _least_clips(variant)
    if min(recipe.batch_size, len(clips)) < least:
        raise DanceError(f"AVA {variant!r} needs batches of at least {least} clips")
    return ava


def _least_clips(variant: Variant) -> int:
    """Clips that a batch needs for a variant to mean something."""
    return MIN_CLIPS if variant == "interaction" else 1


@checked
def train_gates(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    *,
    teacher: Tensor,
    seed: Seed,
    frozen: bool = False,
    resume: Path | None = None,
) -> History:
    """All stages that train the controller: alone, then jointly with the backbone.

    Args:
        frozen: train the controller alone all the time, as many epochs. A backbone that can't
            learn can't be told anything by a plan.
    """
    rest: dict[str, Any] = {"teacher": teacher, "seed": seed, "resume": resume}
    if not frozen:
        history = train_controller(net, clips, recipe, **rest)
        return history + train_joint(net, clips, recipe, **rest)
    epochs = recipe.controller_epochs + recipe.joint_epochs
    history = train_controller(net, clips, recipe, epochs=epochs, **rest)
    if epochs:
        calibrate(net, clips, recipe)
    return history


@checked
def train_controller(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    *,
    teacher: Tensor,
    seed: Seed,
    epochs: Count | None = None,
    resume: Path | None = None,
) -> History:
    """Train the controller alone under a frozen backbone, while the budget begins to press.

    Args:
        epochs: `recipe.controller_epochs` if None.
    """
    epochs = recipe.controller_epochs if epochs is None else epochs

    def prepare() -> None:
        net.eval()
        net.controller.train()

    trained = [p for p in net.backbone.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        return _train_gates(
            net,
            clips,
            recipe,
            teacher,
            _controller_rates(net, recipe, lambda _: 1.0),
            stage="controller",
            epochs=epochs,
            start=0,
            seed=seed + 2,
            prepare=prepare,
            resume=resume,
        )
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@checked
def train_joint(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    *,
    teacher: Tensor,
    seed: Seed,
    resume: Path | None = None,
) -> History:
    """Train controller and backbone together; then norm statistics and operating point.

    Norm statistics are recomputed without gate noise, and `calibrate` moves the mean R of the
    training clips onto the budget.
    """
    start = recipe.ava_epochs + recipe.controller_epochs
    history = _train_gates(
        net,
        clips,
        recipe,
        teacher,
        [
            _backbone_rate(net, recipe, start, recipe.joint_epochs),
            *_controller_rates(net, recipe, cosine),
        ],
        stage="joint",
        epochs=recipe.joint_epochs,
        start=recipe.controller_epochs,
        seed=seed + 3,
        prepare=net.train,
        resume=resume,
    )
    if recipe.joint_epochs:
        recompute_norms(net, clips, recipe)
        calibrate(net, clips, recipe)
    return history


@checked
def train_planned(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    *,
    plans: Callable[[Tensor], PruningPlan],
    teacher: Tensor,
    seed: Seed,
    epochs: Count | None = None,
    resume: Path | None = None,
) -> History:
    """Retrain the backbone under plans that are given; the controller stays as it is.

    Args:
        plans: the stem's output (N, C_s, T_s, H_s, W_s) -> plans of these clips, or one for all.
        epochs: `recipe.retrain_epochs` if None, as long as every arm is retrained.
    """
    epochs = recipe.retrain_epochs if epochs is None else epochs
    _check_teacher(teacher, net, clips)

    def loss(step: Step) -> Tensor:
        stem_output = net.stem(step.clips)
        logits = net.body(stem_output, Masked(plans(stem_output).to(stem_output.device)))
        return _task_loss(recipe, logits, teacher, step)

    def prepare() -> None:
        net.train()
        net.controller.eval()

    return _fit(
        net,
        clips,
        recipe,
        loss,
        [_backbone_rate(net, recipe, recipe.retrain_epochs - epochs, epochs)],
        stage="planned",
        epochs=epochs,
        seed=seed + 1,
        prepare=prepare,
        resume=resume,
    )


def _train_gates(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    teacher: Tensor,
    rates: list[Rate],
    *,
    stage: str,
    epochs: int,
    start: int,
    **rest: Any,
) -> History:
    """Gates under the budget; its annealing runs over both stages that train the controller."""
    _check_teacher(teacher, net, clips)
    budget = recipe.make_budget()
    opened = net.controller.opened
    budget.check(net.structure, net.controller.macs, opened)
    whole = recipe.controller_epochs + recipe.joint_epochs

    def loss(step: Step) -> Tensor:
        done = (start + step.progress * epochs) / whole
        stem_output = net.stem(step.clips)
        noise = recipe.gate_noise * (1.0 - done)  # it explores, and is gone at the end
        masks = net.decide(stem_output, step.clips, noise=noise)
        logits = net.body(stem_output, Masked(masks))
        penalty, ratios = budget.loss(
            net.structure,
            masks,
            done,
            net.controller.macs,
            axes=net.controller.axes,
            opened=opened,
        )
        step.metrics["R"] = ratios.mean().item()
        step.metrics["budget"] = penalty.item()
        return _task_loss(recipe, logits, teacher, step) + recipe.budget_weight * penalty

    return _fit(
        net,
        clips,
        recipe,
        loss,
        rates,
        stage=stage,
        epochs=epochs,
        **rest,
    )


def _fit(
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    loss: Callable[[Step], Tensor],
    rates: list[Rate],
    **rest: Any,
) -> History:
    """`fit` with what a recipe says of every stage."""
    _check_clips(net, clips)
    return fit(
        net,
        clips,
        loss,
        rates,
        batch_size=recipe.batch_size,
        weight_decay=recipe.weight_decay,
        augment=recipe.make_augmentation(),
        settings=recipe,
        **rest,
    )


def _check_clips(net: Dance, clips: ClipSet) -> None:
    """Refuse clips of another network before the first step."""
    if clips.clip_shape != net.clip_shape:
        raise DanceError(f"clips are {clips.clip_shape}, the network was made for {net.clip_shape}")
    if (classes := net.structure.classes) < len(clips.classes):
        raise DanceError(f"clips have {len(clips.classes)} classes, the network tells {classes}")


def _check_teacher(teacher: Tensor, net: Dance, clips: ClipSet) -> None:
    expected = (len(clips), net.structure.classes)
    if tuple(teacher.shape) != expected:
        raise DanceError(
            f"teacher must be the dense network's logits of all clips, {expected}, not "
            f"{tuple(teacher.shape)}; predict(net, clips, 'dense').logits gives them"
        )


def _backbone_rate(net: Dance, recipe: Recipe, start: int, epochs: int) -> Rate:
    """The part of the one retraining schedule that `epochs` from epoch `start` on make up."""

    def shape(progress: float) -> float:
        return cosine((start + progress * epochs) / max(1, recipe.retrain_epochs))

    return Rate(list(net.backbone.parameters()), recipe.retrain_lr, shape)


def _controller_rates(net: Dance, recipe: Recipe, shape: Callable[[float], float]) -> list[Rate]:
    """Thresholds follow the budget at once; what the gates look at changes slowly."""
    biases = {id(head.bias) for head in net.controller.logit_heads()}
    parameters = list(net.controller.parameters())
    thresholds = [p for p in parameters if id(p) in biases]
    rest = [p for p in parameters if id(p) not in biases]
    return [
        Rate(rest, recipe.controller_lr, shape),
        Rate(thresholds, recipe.threshold_lr, shape),
    ]


def _dense_loss(net: Dance, recipe: Recipe, teacher: Tensor | None, step: Step) -> Tensor:
    return _task_loss(recipe, net.dense(step.clips), teacher, step)


def _task_loss(recipe: Recipe, logits: Tensor, teacher: Tensor | None, step: Step) -> Tensor:
    """Cross-entropy, plus τ² KL to the teacher's soft labels (Hinton et al., arXiv 1503.02531).

    Args:
        logits: of the clips of this process; the loss is of the whole batch.
    """
    logits = shard.gathered(logits)
    step.metrics["accuracy"] = (logits.argmax(1) == step.targets).float().mean().item()
    loss = F.cross_entropy(logits, step.targets, label_smoothing=recipe.label_smoothing)
    if teacher is None or recipe.distill == 0:
        return loss
    tau = recipe.distill_temperature
    soft = F.log_softmax(teacher[step.rows].to(logits.device) / tau, 1)
    distance = F.kl_div(
        F.log_softmax(logits / tau, 1), soft, reduction="batchmean", log_target=True
    )
    return loss + recipe.distill * tau**2 * distance
