"""How much the activations of a trained network vary, on clips that no loss has seen."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dance_lib.ava import MIN_CLIPS, interaction, part_means
from dance_lib.data.clips import ClipSet, batches
from dance_lib.executors.masked import Recorded
from dance_lib.network import Dance

EDGES = np.linspace(-4, 2, 49)  # bins of log10 |activation|


@torch.inference_mode()
def measure_variability(
    net: Dance, clips: ClipSet, batch_size: int = 64
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Variability of every unit of the dense network, a = |activation|.

    Returns:
        units: a row a unit: mean and variance of a, `cv` = log(1 + Var(a)/E[a]²), `interaction` =
            variance of the interaction of clips with frames, channel groups and tiles (mean of
            the three; empty of fewer than 16 clips), `active` = share of non-zero activations.
        magnitudes: a row a unit and bin: share of activations with log10 a in the bin.
    """
    net.eval()
    moments: dict[str, _Moments] = {name: _Moments(net, name) for name in net.structure.units}

    def record(name: str, output: Tensor) -> None:
        moments[name].add(output.abs())

    for batch, _, _ in batches(clips, batch_size):
        net.body(net.stem(batch), Recorded(record))
    units = pd.DataFrame([m.row() for m in moments.values()]).assign(clips=len(clips))
    magnitudes = pd.concat([m.histogram() for m in moments.values()], ignore_index=True)
    return units.assign(kind="measured"), magnitudes.assign(kind="measured")


class _Moments:
    """Running sums over one unit's activations."""

    def __init__(self, net: Dance, name: str) -> None:
        unit = net.structure.units[name]
        branch = net.structure.branches[unit.branch]
        self.name, self.branch = name, branch.name
        self.parts = (net.structure.group_size, branch.grid)
        self.count = 0
        self.sum = self.squares = self.active = 0.0
        self.means: list[list[Tensor]] = []
        self.bins = np.zeros(len(EDGES) - 1)

    def add(self, magnitude: Tensor) -> None:
        """Add a batch (N, C, T, H, W) of magnitudes."""
        values = magnitude.double()
        self.count += values.numel()
        self.sum += values.sum().item()
        self.squares += (values**2).sum().item()
        self.active += (magnitude > 0).sum().item()
        self.means.append(part_means(magnitude, *self.parts))
        self.bins += counts_by_size(magnitude)

    def row(self) -> dict[str, Any]:
        mean = self.sum / self.count
        variance = self.squares / self.count - mean**2
        joined = [torch.cat(parts) for parts in zip(*self.means, strict=True)]
        several = [m for m in joined if m.shape[1] > 1]
        mixed = [float("nan")]
        if len(joined[0]) >= MIN_CLIPS:
            mixed = [interaction(m).var(correction=0).item() for m in several]
        return {
            "unit": self.name,
            "branch": self.branch,
            "mean": mean,
            "variance": variance,
            "cv": float(np.log1p(variance / mean**2)) if mean else 0.0,
            "interaction": float(np.mean(mixed)) if mixed else 0.0,
            "active": self.active / self.count,
        }

    def histogram(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "unit": self.name,
                "log10_low": EDGES[:-1],
                "log10_high": EDGES[1:],
                "share": self.bins / self.count,
            }
        )


def counts_by_size(magnitude: Tensor) -> np.ndarray:
    """How many magnitudes lie in each bin of `EDGES`, (48,); zeros lie in none."""
    positive = magnitude[magnitude > 0].log10()
    edges = torch.from_numpy(EDGES).to(positive.dtype)
    return torch.histogram(positive.contiguous(), edges).hist.numpy()


def norm_rows(net: Dance) -> pd.DataFrame:
    """A row a norm of the backbone: mean |scale| and mean |shift|, which a loss might inflate."""
    rows = [
        {
            "norm": name,
            "scale": module.weight.detach().abs().mean().item(),
            "shift": module.bias.detach().abs().mean().item(),
        }
        for name, module in net.backbone.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm)
        and module.weight is not None
    ]
    return pd.DataFrame(rows).assign(kind="measured")
