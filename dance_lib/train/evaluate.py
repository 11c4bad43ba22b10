"""Predictions of a network over a set of clips, with the plans that led to them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dance_lib.aap.plan import PruningPlan
from dance_lib.data.clips import ClipSet, batches
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Dense, Masked
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network said of every clip, in the order of the set's rows.

    Attributes:
        logits: (clips, classes). targets: (clips,).
        plan: the plans that were run; None for the dense network.
    """

    logits: Tensor
    targets: Tensor
    plan: PruningPlan | None

    @property
    def correct(self) -> Tensor:
        """(clips,) bool."""
        return self.logits.argmax(1) == self.targets

    @property
    def accuracy(self) -> float:
        """Share of clips whose first guess is right."""
        return self.correct.float().mean().item()

    def mac_ratios(self, net: Dance) -> Tensor:
        """R of every clip, (clips,); 1 for the dense network."""
        if self.plan is None:
            return torch.ones(len(self.targets))
        return mac_ratios(net.structure, self.plan, net.controller.macs)


@torch.inference_mode()
def predict(
    net: Dance,
    clips: ClipSet,
    plan: PruningPlan | str = "controller",
    batch_size: int = 64,
    title: str | None = None,
) -> Prediction:
    """Run a network over all clips.

    Args:
        plan: "controller" for its own plans, "dense" for none, or one plan for all clips in the
            order of their rows (shuffled, static, random: whatever is to be compared).
        title: of a progress bar, which is gone in the end; without one there is none.

    Raises:
        DanceError: another word, or a plan that does not fit the network or the number of clips.
    """
    if isinstance(plan, PruningPlan):
        plan.check(net.structure)
        if len(plan) != len(clips):
            raise DanceError(f"the plan is for {len(plan)} clips, the set has {len(clips)}")
    elif plan not in ("controller", "dense"):
        raise DanceError(f"plan {plan!r} is none of 'controller', 'dense' and a PruningPlan")
    net.eval()
    logits, targets, plans = [], [], []
    shown: Iterable[tuple[Tensor, Tensor, Tensor]] = batches(clips, batch_size)
    if title is not None:
        total = math.ceil(len(clips) / batch_size)
        shown = tqdm(shown, desc=title, total=total, leave=False)
    for batch, target, rows in shown:
        stem_output = net.stem(batch)
        if plan == "dense":
            logits.append(net.body(stem_output, Dense()))
        else:
            chosen = net.plan_from(stem_output, batch) if isinstance(plan, str) else plan[rows]
            plans.append(chosen)
            logits.append(net.body(stem_output, Masked(chosen)))
        targets.append(target)
    return Prediction(
        torch.cat(logits), torch.cat(targets), PruningPlan.cat(plans) if plans else None
    )


@torch.inference_mode()
def choose_plans(net: Dance, clips: ClipSet, batch_size: int = 64) -> PruningPlan:
    """The controller's plans for all clips; runs the stem alone."""
    net.eval()
    return PruningPlan.cat(
        [net.plan_from(net.stem(batch), batch) for batch, _, _ in batches(clips, batch_size)]
    )
