"""AVA, activation variability amplification: losses that make |activation| vary more.

From the abstract: the network is retrained "to increase the variance of the magnitude of neuron
activations". The formula is ours, in three readings; all are minimised.

- `raw`: minus the variance of a = |activation|. A control: scaling a unit games it, since the next
  norm absorbs the scale.
- `cv`: minus log(1 + Var(a) / (E[a]² + ε)), free of scale.
- `interaction`: log-means of a per clip and part of a unit (frame, channel group, tile), split like
  a two-way analysis of variance into clip effect + fixed importance + interaction. Only the
  variance of the interaction is amplified: the one part that rewards decisions made per clip.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dance_lib import shard
from dance_lib.errors import DanceError
from dance_lib.models.structure import Structure

Variant = Literal["none", "raw", "cv", "interaction"]
VARIANTS: tuple[Variant, ...] = ("none", "raw", "cv", "interaction")
EPSILON = 1e-6
MIN_CLIPS = 16  # fewer clips make the interaction a mean over noise


class AVALoss:
    """The loss of one variant over the recorded outputs of all units, in all processes (`shard`).

    Args:
        variant: one of `VARIANTS`.
        cap: κ; a unit's variability beyond it earns nothing, so that no unit grows without end.
        floor: activity rate (share of non-zero activations) below which a unit is penalised.

    Raises:
        DanceError: unknown variant.
    """

    def __init__(
        self, structure: Structure, variant: Variant, cap: float = 3.0, floor: float = 0.05
    ) -> None:
        if variant not in VARIANTS:
            raise DanceError(f"unknown AVA variant {variant!r}; known: {', '.join(VARIANTS)}")
        self.structure = structure
        self.variant = variant
        self.cap = cap
        self.floor = floor
        macs = {name: unit.dense_macs for name, unit in structure.units.items()}
        self.weights = {name: m / sum(macs.values()) for name, m in macs.items()}

    def __call__(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Scalar loss of the units' outputs (N, C_u, T_u, H_u, W_u), weighted by share of MACs.

        Raises:
            DanceError: `interaction` over fewer than 16 clips.
        """
        total = next(iter(outputs.values())).new_zeros((), dtype=torch.float32)
        if self.variant == "none":
            return total
        for name, output in outputs.items():
            magnitude = output.float().abs()
            gain = variability(magnitude, self.variant, self._parts(name)).clamp(max=self.cap)
            total = total + self.weights[name] * (self._dead(magnitude) - gain)
        return total

    def _dead(self, magnitude: Tensor) -> Tensor:
        """0 while enough activations are alive; below the floor, how far it is missed."""
        if shard.mean((magnitude > 0).float()) >= self.floor:
            return magnitude.new_zeros(())
        # A rate has no gradient; the mean of tanh(a/E[a]) is its smooth stand-in.
        active = shard.mean(torch.tanh(magnitude / (shard.mean(magnitude) + EPSILON)))
        return F.relu(self.floor - active) / self.floor

    def _parts(self, name: str) -> tuple[int, tuple[int, int]]:
        branch = self.structure.branches[self.structure.units[name].branch]
        return self.structure.group_size, branch.grid


def variability(magnitude: Tensor, variant: Variant, parts: tuple[int, tuple[int, int]]) -> Tensor:
    """How much a unit's magnitudes (N, C, T, H, W) vary, by one reading; a scalar.

    Args:
        parts: channel-group size and tile grid, for `interaction`.
    """
    if variant in ("raw", "cv"):
        mean = shard.mean(magnitude)
        variance = shard.mean((magnitude - mean) ** 2)
        return variance if variant == "raw" else torch.log1p(variance / (mean**2 + EPSILON))
    return torch.stack(
        [interaction(shard.gathered(m)).var(correction=0) for m in part_means(magnitude, *parts)]
    ).mean()


def part_means(magnitude: Tensor, group_size: int, grid: tuple[int, int]) -> list[Tensor]:
    """Mean magnitude per clip and frame, channel group, tile: three (N, parts) tensors."""
    frames = magnitude.mean((1, 3, 4))  # (N, T)
    by_channel = magnitude.mean((2, 3, 4))  # (N, C)
    groups = [g.mean(1) for g in by_channel.split(group_size, dim=1)]
    size = (min(grid[0], magnitude.shape[3]), min(grid[1], magnitude.shape[4]))
    tiles = F.adaptive_avg_pool2d(magnitude.mean((1, 2)), size).flatten(1)  # (N, tiles)
    return [frames, torch.stack(groups, 1), tiles]


def interaction(means: Tensor) -> Tensor:
    """Interaction of clips and parts: log m − clip effect − importance + grand mean, (N, parts).

    m is offset by 5 % of its mean, so that the logarithm of a silent part stays finite.

    Raises:
        DanceError: fewer than 16 clips.
    """
    if len(means) < MIN_CLIPS:
        raise DanceError(f"AVA 'interaction' needs at least {MIN_CLIPS} clips, not {len(means)}")
    m = torch.log(means + 0.05 * means.mean() + EPSILON)
    return m - m.mean(1, keepdim=True) - m.mean(0, keepdim=True) + m.mean()
