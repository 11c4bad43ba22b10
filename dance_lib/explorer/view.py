"""What there is to see of one clip, for one choice of network, unit and budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from dance_lib.aap.plan import PruningPlan
from dance_lib.aap.statistics import Statistics
from dance_lib.analysis.variability import counts_by_size
from dance_lib.ava import part_means, variability
from dance_lib.executors.masked import Masked, Recorded
from dance_lib.explain.kept import kept_frames, kept_work
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.pair import Pair
from dance_lib.models.structure import Branch, Structure
from dance_lib.network import Dance

REMEMBERED = 64  # clips and networks whose activations are kept


class Choice(NamedTuple):
    """What is asked for: a pair of networks by name, a unit by name, a budget, a frame from 0."""

    network: str
    unit: str
    budget: float
    frame: int = 0


@dataclass(frozen=True, eq=False)
class Activity:
    """The activations a of one clip in a network that does not prune.

    Attributes:
        sizes: by unit, share of activations in each bin of log10 |a|, (bins,).
        cv: by unit, log(1 + Var|a|/E|a|²).
        groups: by unit, mean |a| of each channel group, (groups,).
    """

    sizes: dict[str, np.ndarray]
    cv: dict[str, float]
    groups: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class View:
    """What a figure shows and a sentence says.

    Attributes:
        activity: by name of a pair, in its network before pruning.
        plan: of this clip at the budget.
        dense, pruned: probabilities of the K classes, (K,), without pruning and by the plan.
        ratio: R of the clip. ratios: R at each of the pair's `budgets`.
    """

    clip: ShownClip
    choice: Choice
    networks: Networks
    activity: dict[str, Activity]
    plan: PruningPlan
    dense: np.ndarray
    pruned: np.ndarray
    ratio: float
    ratios: np.ndarray

    @property
    def pair(self) -> Pair:
        """The chosen networks."""
        return self.networks.pairs[self.choice.network]

    @property
    def own_activity(self) -> Activity:
        """Of the chosen pair."""
        return self.activity[self.choice.network]

    @property
    def structure(self) -> Structure:
        """Of all networks."""
        return self.networks.structure

    @property
    def branch(self) -> Branch:
        """That the chosen unit belongs to."""
        return self.structure.branches[self.structure.units[self.choice.unit].branch]

    @property
    def groups(self) -> np.ndarray:
        """Which channel groups of the unit are kept, (groups,) bool."""
        return self.plan.channels[self.choice.unit][0, :: self.structure.group_size].numpy()

    @property
    def kept_frames(self) -> np.ndarray:
        """Which frames of the clip the branch keeps, (T,) bool."""
        return self.frames([self.branch.name]) > 0

    @property
    def tiles(self) -> np.ndarray:
        """Which pixels the branch keeps, whatever the frame, (H, W) bool."""
        opened = {unit: torch.ones_like(kept) for unit, kept in self.plan.frames.items()}
        plan = PruningPlan(opened, self.plan.channels, self.plan.features)
        return kept_work(self.structure, plan, [self.branch.name])[0, 0].numpy() > 0

    @property
    def macs(self) -> str:
        """Ideal MACs of the clip and those of the dense network, as text."""
        million = self.structure.dense_macs / 1e6
        digits = 0 if million >= 10 else 3
        return f"{million * self.ratio:,.{digits}f} of {million:,.{digits}f} million MACs"

    def work(self, branches: Sequence[str] = ()) -> np.ndarray:
        """Share of the branches' work done at each frame and pixel, (T, H, W); of all if empty."""
        return kept_work(self.structure, self.plan, branches)[0].numpy()

    def frames(self, branches: Sequence[str] = ()) -> np.ndarray:
        """Share of the branches' work done for each frame, tiles taken as kept, (T,)."""
        return kept_frames(self.structure, self.plan, branches)[0].numpy()

    def row(self) -> dict[str, Any]:
        """The view in numbers; frames and area are those of the unit's branch."""
        return {
            "path": self.clip.name,
            "label": self.clip.label,
            **self.choice._asdict(),
            "mac_ratio": self.ratio,
            "kept_frames": int(self.kept_frames.sum()),
            "frames": self.kept_frames.size,
            "kept_area": float(self.tiles.mean()),
            "kept_groups": int(self.groups.sum()),
            "groups": self.groups.size,
            **_first("dense", self.dense, self.networks.classes),
            **_first("pruned", self.pruned, self.networks.classes),
            "cv": self.own_activity.cv[self.choice.unit],
        }


@torch.inference_mode()
def look(clip: ShownClip, choice: Choice, networks: Networks) -> View:
    """Compute what there is to see; what does not depend on the choice is remembered by clip.

    Raises:
        DanceError: the clip has another shape than the networks take.
    """
    pair = networks.pairs[choice.network]
    net = pair.pruned
    plan = pair.plan(_statistics(net, clip), choice.budget)
    return View(
        clip=clip,
        choice=choice,
        networks=networks,
        activity={name: measure_activity(p.before, clip) for name, p in networks.pairs.items()},
        plan=plan,
        dense=_dense(networks.dense, clip),
        pruned=_softmax(net.body(net.stem(clip.pixels), Masked(plan))),
        ratio=float(pair.mac_ratios(plan)[0]),
        ratios=_ratios(pair, clip),
    )


@lru_cache(maxsize=REMEMBERED)
@torch.inference_mode()
def measure_activity(net: Dance, clip: ShownClip) -> Activity:
    """Run the network once, without pruning, and measure every unit's output."""
    outputs: dict[str, torch.Tensor] = {}
    net.body(net.stem(clip.pixels), Recorded(outputs.__setitem__))
    magnitudes = {unit: output.abs() for unit, output in outputs.items()}
    branches = {unit: net.structure.branches[net.structure.units[unit].branch] for unit in outputs}
    parts = {unit: (net.structure.group_size, branch.grid) for unit, branch in branches.items()}
    return Activity(
        sizes={unit: counts_by_size(a) / a.numel() for unit, a in magnitudes.items()},
        cv={unit: variability(a, "cv", parts[unit]).item() for unit, a in magnitudes.items()},
        groups={unit: part_means(a, *parts[unit])[1][0].numpy() for unit, a in magnitudes.items()},
    )


@lru_cache(maxsize=REMEMBERED)
def _dense(net: Dance, clip: ShownClip) -> np.ndarray:
    return _softmax(net.dense(clip.pixels))


@lru_cache(maxsize=REMEMBERED)
def _statistics(net: Dance, clip: ShownClip) -> Statistics:
    return net.statistics(net.stem(clip.pixels), clip.pixels)


@lru_cache(maxsize=REMEMBERED)
def _ratios(pair: Pair, clip: ShownClip) -> np.ndarray:
    return pair.ratios(_statistics(pair.pruned, clip))


def _softmax(logits: torch.Tensor) -> np.ndarray:
    return logits.detach().softmax(1)[0].numpy()


def _first(name: str, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {name: classes[best], f"{name}_confidence": float(probabilities[best])}
