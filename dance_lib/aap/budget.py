"""The budget: a penalty that draws the mean ideal MAC ratio to a target.

A single target for the whole network invites a static shortcut (drop the most expensive branch of
every clip). So every branch has a bound around the target as well; bounds start tight, which forces
each branch to learn what it can do without, and loosen, so that branches may then differ. And
every axis has to drop a share by itself, without which channels would be left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from dance_lib import shard
from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, Axis
from dance_lib.arguments import checked_fields
from dance_lib.errors import DanceError
from dance_lib.meter.cost import branch_ratios, mac_ratios
from dance_lib.models.structure import Structure

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Part = Annotated[float, Field(ge=0, le=1)]


@checked_fields
@dataclass(frozen=True)
class Budget:
    """(mean R − ρ)² + mean over branches of max(0, |mean R_b − ρ_b| − slack)² + axes.

    Means are over the batch: a clip may cost more or less than the target. ρ is annealed from 1;
    ρ_b is the share of a branch's MACs that meets ρ when all branches keep the same share. Axes:
    the sum over pruned axes of max(0, kept − (1 − axis_share·(1 − ρ)))², where kept is the mean
    keep rate of the axis over units, weighted by MACs. Branches that are always open count among
    what is never pruned.

    Attributes:
        target: ρ, in (0, 1].
        slack: (first, last) distance that a branch may keep from ρ_b without penalty.
        anneal: part of the stage, in [0, 1], over which ρ falls from 1 to its target; slack
            loosens over the rest.
        axis_share: how much of 1 − ρ each axis has to drop by itself at least.
    """

    target: float
    slack: tuple[NotNegative, NotNegative] = (0.0, 0.2)
    anneal: Part = 0.5
    axis_share: Part = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:
            raise DanceError(f"a budget is a MAC ratio in (0, 1], not {self.target}")

    def check(self, structure: Structure, extra_macs: int, opened: Sequence[str] = ()) -> None:
        """Refuse a target below what stem, shortcuts, head, controller and open branches cost."""
        floor = (_never_pruned(structure, opened) + extra_macs) / structure.dense_macs
        if self.target <= floor:
            raise DanceError(
                f"a budget of {self.target} can't be met: {floor:.3f} of the MACs are never pruned"
            )

    def target_at(self, progress: float) -> float:
        """ρ after a part of the stage."""
        done = min(1.0, progress / self.anneal) if self.anneal else 1.0
        return 1.0 + (self.target - 1.0) * done

    def loss(
        self,
        structure: Structure,
        masks: Masks,
        progress: float,
        extra_macs: int = 0,
        *,
        axes: Sequence[Axis] = AXES,
        opened: Sequence[str] = (),
    ) -> tuple[Tensor, Tensor]:
        """The penalty and each clip's R (N,), after a part of the stage in [0, 1].

        Args:
            extra_macs: of the controller.
            axes: those that are pruned.
            opened: branches that are always open.
        """
        target = self.target_at(progress)
        ratios = shard.gathered(mac_ratios(structure, masks, extra_macs))
        never = _never_pruned(structure, opened)
        per_branch = (target * structure.dense_macs - never - extra_macs) / (
            structure.dense_macs - never
        )
        loosened = max(0.0, (progress - self.anneal) / max(1e-9, 1 - self.anneal))
        slack = self.slack[0] + (self.slack[1] - self.slack[0]) * loosened
        own = [r.mean() for b, r in branch_ratios(structure, masks).items() if b not in opened]
        means = shard.average(torch.stack(own))
        outside = ((means - per_branch).abs() - slack).clamp(min=0.0)
        penalty = (ratios.mean() - target) ** 2 + (outside**2).mean()
        for axis in axes if self.axis_share else ():
            bound = 1.0 - self.axis_share * (1.0 - target)
            penalty = penalty + (_kept(structure, masks, axis, opened) - bound).clamp(min=0.0) ** 2
        return penalty, ratios


def _never_pruned(structure: Structure, opened: Sequence[str]) -> int:
    """MACs of everything outside branches, and of the branches that are always open."""
    units = (structure.units[u] for name in opened for u in structure.branches[name].units)
    return structure.other_macs + sum(unit.dense_macs for unit in units)


def _kept(structure: Structure, masks: Masks, axis: Axis, opened: Sequence[str]) -> Tensor:
    """Mean keep rate of an axis over clips and units, weighted by the units' dense MACs."""
    units = structure.units.items()
    macs = {name: unit.dense_macs for name, unit in units if unit.branch not in opened}
    entries = getattr(masks, axis)
    kept = torch.stack([entries[u].mean() * m for u, m in macs.items()]).sum() / sum(macs.values())
    return shard.average(kept)
