"""All stages of training as one call."""

from dataclasses import dataclass
from pathlib import Path

import torch

from dance_lib.arguments import Seed, checked
from dance_lib.ava import Variant
from dance_lib.data.clips import ClipSet
from dance_lib.errors import DanceError
from dance_lib.network import Dance
from dance_lib.train.evaluate import Prediction, predict
from dance_lib.train.layout import laid_out
from dance_lib.train.operating_point import mean_ratio
from dance_lib.train.recipe import Recipe
from dance_lib.train.stages import History, make_ava, train_ava, train_dense, train_gates

CLOSED = -1e6  # a shift of gate logits by which all close that may


@dataclass(frozen=True, eq=False)
class Pruned:
    """What came of `prune`.

    Attributes:
        dense: of the held-out clips by the network that pruning started from.
        pruned: of the same clips by the controller's plans, at the end.
        history: a row an epoch of every stage, as `fit` gives it.
    """

    dense: Prediction
    pruned: Prediction
    history: History


@checked
def prune(
    net: Dance,
    train: ClipSet,
    test: ClipSet,
    recipe: Recipe,
    *,
    variant: Variant = "cv",
    seed: Seed = 0,
    resume: Path | None = None,
) -> Pruned:
    """Train a network and its controller: dense, AVA, the controller alone, then both together.

    The network is changed in place, and left in evaluation mode.

    Args:
        train: clips to learn from.
        test: held-out clips: nothing is learned from them.
        recipe: `dense_epochs=0` for a network that is trained already, `ava_epochs=0` without AVA.
        variant: of AVA; see `train_ava`.
        seed: of the order of clips, of augmentation and gates. The network's first weights were
            drawn when it was made.
        resume: as for `fit`. A run that was killed goes on where the same call, with a network of
            the same first weights, finds what it kept.

    Raises:
        DanceError: no class, budget or variant that this network and these clips could serve;
            found before anything is trained.
        TrainingError: as `fit`.
    """
    check(net, train, recipe, variant)
    laid_out(net)
    history = train_dense(net, train, recipe, seed=seed, resume=resume)
    dense = predict(net, test, "dense", title="held-out clips")
    teacher = predict(net, train, "dense", title="soft labels").logits
    history += train_ava(
        net, train, recipe, variant=variant, teacher=teacher, seed=seed, resume=resume
    )
    history += train_gates(net, train, recipe, teacher=teacher, seed=seed, resume=resume)
    return Pruned(dense, predict(net, test, title="held-out clips"), history)


def check(net: Dance, train: ClipSet, recipe: Recipe, variant: Variant) -> None:
    """Refuse what could not be trained, before it takes hours to find out; see `prune`."""
    if not recipe.controller_epochs + recipe.joint_epochs:
        raise DanceError("controller_epochs and joint_epochs are 0: nothing would be pruned")
    make_ava(net, train, recipe, variant)
    least = least_ratio(net)
    if recipe.budget <= least:
        raise DanceError(
            f"a budget of {recipe.budget} can't be met: {least:.3f} of the MACs are left when all "
            f"is pruned that may be ({', '.join(net.controller.axes)})"
        )


@torch.no_grad()
def least_ratio(net: Dance) -> float:
    """R of the plan that keeps as little as a controller of this network can keep."""
    net.eval()
    clip = torch.zeros(1, *net.clip_shape, device=net.mean.device)
    return mean_ratio(net, [net.statistics(net.stem(clip), clip)], CLOSED)
