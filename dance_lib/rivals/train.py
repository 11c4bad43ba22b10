"""One call from a rival's name to a trained network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dance_lib.aap.plan import PruningPlan
from dance_lib.arguments import Seed, checked
from dance_lib.data.clips import ClipSet
from dance_lib.errors import DanceError
from dance_lib.meter.cost import mac_ratios
from dance_lib.models.zoo import create_model
from dance_lib.network import Dance, remade
from dance_lib.rivals import fatrelu
from dance_lib.rivals.plans import branch_subsets, mean_gates, repeated
from dance_lib.rivals.smaller import Kind, smaller
from dance_lib.train.evaluate import predict
from dance_lib.train.layout import laid_out
from dance_lib.train.recipe import Recipe
from dance_lib.train.stages import History, train_ava, train_dense, train_planned

TRIED = 900  # training clips on which branches to drop are chosen
DRAWN = 64  # random plans whose mean MAC ratio is brought to the budget
STEPS = 20


@dataclass(frozen=True)
class Rival:
    """A trained rival.

    Attributes:
        plans: plans for so many clips where it runs by plans; None where its network is smaller,
            or where zeros are counted.
        relu_macs: where MACs are those of inputs that are not zero, what ReLU's own zeros leave of
            the dense network's, of which its budget is a share; None elsewhere.
    """

    net: Dance
    history: History
    plans: Callable[[int], PruningPlan] | None = None
    relu_macs: float | None = None


@checked
def train_rival(
    method: str,
    net: Dance,
    clips: ClipSet,
    recipe: Recipe,
    *,
    plans: PruningPlan,
    teacher: Tensor,
    seed: Seed,
    resume: Path | None = None,
) -> Rival:
    """Make and retrain a rival of `recipe.budget` times the MACs, from the dense network.

    Args:
        method: `mean_gates` keeps for all clips what an arm keeps most often; `branches` drops
            whole branches, those that cost least accuracy on training clips; `random_fixed` and
            `random_clip` draw one plan, or one for each clip, with one keep rate for all axes;
            `magnitude` takes away the channels of least weight, `narrow` the same share of every
            layer, the weights that stay being trained on as long as dense and retraining together;
            `scratch` does so with the network as it was before training; `fatrelu` sets
            activations below a threshold to zero and counts the MACs of those that remain, as a
            share of those that ReLU leaves; they may be more than the budget where no threshold
            brings them down to it.
        net: the dense network where every arm starts; it is trained on.
        plans: an arm's plans of the training clips; read by `mean_gates`.
        teacher: logits of the dense network.

    Raises:
        DanceError: an unknown method, or a budget that it can't meet.
    """
    if method not in _METHODS:
        raise DanceError(f"unknown rival {method!r}; known: {', '.join(_METHODS)}")
    rest: dict[str, Any] = {"teacher": teacher, "seed": seed, "resume": resume}
    return _METHODS[method](net, clips, recipe, plans, rest)


def _mean_gates(
    net: Dance, clips: ClipSet, recipe: Recipe, plans: PruningPlan, rest: dict[str, Any]
) -> Rival:
    return _static(net, clips, recipe, mean_gates(plans, net.structure, recipe.budget), rest)


def _branches(
    net: Dance, clips: ClipSet, recipe: Recipe, plans: PruningPlan, rest: dict[str, Any]
) -> Rival:
    some = clips.take(range(min(TRIED, len(clips))))
    found = branch_subsets(net.structure, recipe.budget)
    scores = [predict(net, some, repeated(plan, len(some))).accuracy for plan in found]
    return _static(net, clips, recipe, found[scores.index(max(scores))], rest)


def _random_fixed(
    net: Dance, clips: ClipSet, recipe: Recipe, plans: PruningPlan, rest: dict[str, Any]
) -> Rival:
    draw = _draws(net, recipe.budget)
    return _static(net, clips, recipe, draw(1, rest["seed"]), rest)


def _random_clip(
    net: Dance, clips: ClipSet, recipe: Recipe, plans: PruningPlan, rest: dict[str, Any]
) -> Rival:
    draw = _draws(net, recipe.budget)

    def anew(clips: Tensor) -> PruningPlan:  # from the generator that `fit` seeds for every epoch
        return draw(len(clips), int(torch.randint(2**31, ())))

    history = train_planned(net, clips, recipe, plans=anew, **rest)
    return Rival(net, history, lambda count: draw(count, rest["seed"]))


def _static(
    net: Dance, clips: ClipSet, recipe: Recipe, plan: PruningPlan, rest: dict[str, Any]
) -> Rival:
    history = train_planned(net, clips, recipe, plans=lambda _: plan, **rest)
    return Rival(net, history, lambda count: repeated(plan, count))


def _smaller(kind: Kind, longer: bool, anew: bool = False) -> Callable[..., Rival]:
    def make(
        net: Dance, clips: ClipSet, recipe: Recipe, plans: PruningPlan, rest: dict[str, Any]
    ) -> Rival:
        whole = _untrained(net, rest["seed"]) if anew else net.backbone
        backbone, _ = smaller(whole, net.clip_shape, kind, recipe.budget, (1,))
        small = laid_out(remade(net, backbone))
        history: History = []
        if longer:
            alone = {name: rest[name] for name in ("seed", "resume")}
            history += train_dense(small, clips, recipe, **alone)
        history += train_ava(
            small, clips, recipe, variant="none", epochs=recipe.retrain_epochs, **rest
        )
        return Rival(small, history)

    return make


def _untrained(net: Dance, seed: int) -> nn.Module:
    """The backbone as it was before it was trained."""
    made = getattr(net.backbone, "recipe", None)
    if made is None:
        raise DanceError(
            "how this backbone starts is not known: `scratch` needs one of create_model"
        )
    torch.manual_seed(seed)
    return create_model(made.name, made.num_classes, net.clip_shape)


def _fatrelu(
    net: Dance, clips: ClipSet, recipe: Recipe, plans: PruningPlan, rest: dict[str, Any]
) -> Rival:
    net = laid_out(remade(net, fatrelu.with_fatrelu(net.backbone)))
    relu_macs = fatrelu.mean_input_macs(net, clips)  # its thresholds are 0 so far
    fatrelu.set_density(net, clips, recipe.budget * relu_macs)
    history = train_ava(net, clips, recipe, variant="none", epochs=recipe.retrain_epochs, **rest)
    fatrelu.set_density(net, clips, recipe.budget * relu_macs)
    return Rival(net, history, relu_macs=relu_macs)


def _draws(net: Dance, ratio: float) -> Callable[[int, int], PruningPlan]:
    """Random plans (count, seed) with one keep rate for all axes, of mean MAC ratio `ratio`."""

    def draw(rate: float, count: int, seed: int) -> PruningPlan:
        return PruningPlan.random(net, count, frames=rate, channels=rate, features=rate, seed=seed)

    low, high = 0.0, 1.0
    missed_by: dict[float, float] = {}
    for _ in range(STEPS):
        rate = (low + high) / 2
        reached = mac_ratios(net.structure, draw(rate, DRAWN, 0)).mean().item()
        missed_by[rate] = abs(reached - ratio)
        low, high = (low, rate) if reached > ratio else (rate, high)
    best = min(missed_by, key=missed_by.__getitem__)
    return lambda count, seed: draw(best, count, seed)


_METHODS: dict[str, Callable[..., Rival]] = {
    "mean_gates": _mean_gates,
    "branches": _branches,
    "random_fixed": _random_fixed,
    "random_clip": _random_clip,
    "magnitude": _smaller("pruned", longer=False),
    "narrow": _smaller("narrower", longer=True),
    "scratch": _smaller("narrower", longer=True, anew=True),
    "fatrelu": _fatrelu,
}
