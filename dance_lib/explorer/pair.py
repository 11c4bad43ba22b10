"""A network before pruning and what AAP made of it, its controller at any budget."""

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from math import ceil, floor
from pathlib import Path
from typing import Self

import numpy as np
import torch

from dance_lib.aap.plan import PruningPlan
from dance_lib.aap.statistics import Statistics
from dance_lib.checkpoint import load
from dance_lib.data import ClipSet, batches
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance
from dance_lib.train.operating_point import FARTHEST, mean_ratio, shift_for, shifted

STEP = 0.01  # of budgets
TUNING_CLIPS = 64
HALVINGS = 12  # of the interval of shifts: to 0.004, at a millisecond or two each
# Of the curve of R against the budget: close together around what was trained, where R is steep.
SHIFTS = np.sinh(np.linspace(-1, 1, 17) * np.arcsinh(FARTHEST / 0.1)) * 0.1


@dataclass(frozen=True, eq=False)
class Pair:
    """Two networks of one structure, in evaluation mode.

    A budget is the mean R of the tuning clips; another one than trained is reached by shifting all
    gate logits by one constant, without training.

    Attributes:
        before: the dense network whose activations are looked at.
        pruned: the one that was trained on from there with its controller.
        tuning: statistics of the tuning clips, as one batch.
    """

    before: Dance
    pruned: Dance
    tuning: Statistics

    @classmethod
    def open(cls, before: Path, pruned: Path, clips: ClipSet) -> Self:
        """Two checkpoints, and clips (of training) to tune budgets on: 64 spread over the set.

        Raises:
            CheckpointError: a file is no checkpoint of ours.
            DanceError: it was trained for clips of another shape.
        """
        net = load(pruned)
        rows = np.linspace(0, len(clips) - 1, min(TUNING_CLIPS, len(clips))).astype(int)
        some = batches(clips.take(rows), 16)
        with torch.no_grad():
            parts = [net.statistics(net.stem(batch), batch) for batch, _, _ in some]
        joined = (torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Statistics))
        return cls(load(before), net, Statistics(*joined))

    @property
    def tuned_on(self) -> int:
        """How many clips a budget is a mean over."""
        return len(self.tuning.frames)

    @cached_property
    def as_trained(self) -> float:
        """The budget at which nothing is shifted."""
        return round(mean_ratio(self.pruned, [self.tuning]), 2)

    @cached_property
    def reach(self) -> tuple[float, float]:
        """The lowest and the highest budget that can be reached, in whole steps."""
        lowest, highest = self.budgets[0], self.budgets[-1]
        return round(ceil(lowest / STEP) * STEP, 2), round(floor(highest / STEP) * STEP, 2)

    @cached_property
    def budgets(self) -> np.ndarray:
        """Budgets over all that can be reached, one for each of `SHIFTS`, (17,)."""
        return np.array([mean_ratio(self.pruned, [self.tuning], shift) for shift in SHIFTS])

    def shift(self, budget: float) -> float:
        """The constant that all gate logits are shifted by for a budget."""
        return 0.0 if budget == self.as_trained else _shift(self, round(budget, 4))

    @torch.inference_mode()
    def plan(self, statistics: Statistics, budget: float) -> PruningPlan:
        """The controller's plan of clips with these statistics at a budget."""
        with shifted(self.pruned.controller, self.shift(budget)):
            return self.pruned.controller.plan(statistics)

    def ratios(self, statistics: Statistics) -> np.ndarray:
        """R of one clip at each of `budgets`, (17,)."""
        return np.array([mean_ratio(self.pruned, [statistics], shift) for shift in SHIFTS])

    def mac_ratios(self, plan: PruningPlan) -> np.ndarray:
        """R of every clip of a plan, (N,)."""
        return mac_ratios(self.pruned.structure, plan, self.pruned.controller.macs).numpy()


@lru_cache(maxsize=512)
def _shift(pair: Pair, budget: float) -> float:
    return shift_for(pair.pruned, [pair.tuning], budget, tolerance=STEP / 2, halvings=HALVINGS)
