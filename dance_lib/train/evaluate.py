"""Predictions of a network over a set of clips, with the plans that led to them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dance_lib.aap.plan import PruningPlan
from dance_lib.arguments import Size, checked
from dance_lib.data.clips import ClipSet, batches
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Dense, Masked
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance
from dance_lib.train.processes import here


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


@checked
@torch.inference_mode()
def predict(
    net: Dance,
    clips: ClipSet,
    plan: PruningPlan | str = "controller",
    batch_size: Size = 64,
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
    processes = here()
    shard = processes.shard(len(clips))
    if shard is not None and isinstance(plan, PruningPlan):
        plan = plan[shard.rows]
    own = processes.own(clips)
    net.eval()
    logits, plans = [], []
    shown: Iterable[tuple[Tensor, Tensor, Tensor]] = batches(own, batch_size)
    if title is not None:
        total = math.ceil(len(own) / batch_size)
        shown = tqdm(shown, desc=title, total=total, leave=False, **processes.bar)
    with processes.at_work(net) as device:
        for read, _, rows in shown:
            batch = read.to(device)
            stem_output = net.stem(batch)
            if plan == "dense":
                logits.append(net.body(stem_output, Dense()).cpu())
            else:
                chosen = net.plan_from(stem_output, batch) if isinstance(plan, str) else plan[rows]
                plans.append(chosen.to("cpu"))
                logits.append(net.body(stem_output, Masked(chosen.to(device))).cpu())
    whole = None if not plans else _of_all(plans, len(clips))
    return Prediction(processes.cat(torch.cat(logits), len(clips)), clips.targets, whole)


@checked
@torch.inference_mode()
def choose_plans(net: Dance, clips: ClipSet, batch_size: Size = 64) -> PruningPlan:
    """The controller's plans for all clips; runs the stem alone."""
    processes = here()
    own = processes.own(clips)
    net.eval()
    with processes.at_work(net) as device:
        moved = (batch.to(device) for batch, _, _ in batches(own, batch_size))
        plans = [net.plan_from(net.stem(batch), batch).to("cpu") for batch in moved]
    return _of_all(plans, len(clips))


def _of_all(plans: list[PruningPlan], clips: int) -> PruningPlan:
    """The plans of all clips from those that this process made."""
    return PruningPlan.cat(here().joined(PruningPlan.cat(plans), clips))
