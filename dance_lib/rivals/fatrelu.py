"""FATReLU: activations below a threshold are zero, and a convolution's zero inputs are skipped.

Kurtz et al., "Inducing and Exploiting Activation Sparsity for Fast Inference on Deep Neural
Networks" (ICML 2020). Zeros fall anywhere, so the MACs that they save are a count: no executor of
ours skips them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dance_lib.data.clips import ClipSet, batches
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Dense
from dance_lib.models.structure import Structure
from dance_lib.network import Dance

SAMPLE = 128  # training clips that a density is read from


class FATReLU(nn.Module):
    """x where x > threshold, else 0; the gradient is that of the value."""

    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x * (x > self.threshold)


def with_fatrelu(backbone: nn.Module) -> nn.Module:
    """Put a FATReLU in the place of every ReLU of a backbone, in place.

    Raises:
        DanceError: it has no ReLU module.
    """
    modules = backbone.named_modules(remove_duplicate=False)  # one may stand at several places
    found = [name for name, module in modules if isinstance(module, nn.ReLU)]
    for name in found:
        parent, _, child = name.rpartition(".")
        setattr(backbone.get_submodule(parent), child, FATReLU())
    if not found:
        raise DanceError(f"{type(backbone).__name__} has no nn.ReLU: nothing to give a threshold")
    return backbone


@torch.inference_mode()
def mean_input_macs(net: Dance, clips: ClipSet) -> float:
    """Mean of `input_mac_ratios` over the clips that a density is read from."""
    net.eval()
    return input_mac_ratios(net, _sample(clips)).mean().item()


def _sample(clips: ClipSet) -> Tensor:
    some = clips.take(range(min(SAMPLE, len(clips))))
    sample, _, _ = next(batches(some, len(some)))
    return sample


@torch.inference_mode()
def set_density(net: Dance, clips: ClipSet, ratio: float, steps: int = 12) -> float:
    """Choose thresholds by which the mean MAC ratio of some training clips is `ratio`.

    One density, the share of a layer's inputs that are not zero, holds for all units; it is found
    by bisection, the thresholds as quantiles, layer by layer. Returns the ratio that was reached.
    """
    net.eval()
    sample = _sample(clips)
    low, high = 0.0, 1.0
    reached = 1.0
    for _ in range(steps):
        density = (low + high) / 2
        with _thresholds_at(net, density):
            net.dense(sample)
        reached = input_mac_ratios(net, sample).mean().item()
        low, high = (low, density) if reached > ratio else (density, high)
    return reached


@torch.inference_mode()
def input_mac_ratios(net: Dance, clips: Tensor) -> Tensor:
    """MACs of each clip (N,), as a share of the dense network's, if every zero input were skipped.

    A unit's MACs are scaled by the share of its inputs that are not zero; all others stay.
    """
    structure = net.structure
    macs = torch.full((len(clips),), float(structure.other_macs), dtype=torch.float64)
    densities: dict[str, Tensor] = {}
    with _inputs(net.backbone, structure, densities):
        net.body(net.stem(clips), Dense())
    for name, density in densities.items():
        macs += density * structure.units[name].dense_macs
    return macs / structure.dense_macs


@contextmanager
def _inputs(
    backbone: nn.Module, structure: Structure, densities: dict[str, Tensor]
) -> Iterator[None]:
    """Note, for each unit, the share of its inputs that are not zero, (N,) float64."""

    def noting(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            densities[name] = (inputs[0] != 0).double().flatten(1).mean(1)

        return note

    hooks = [
        backbone.get_submodule(name).register_forward_pre_hook(noting(name))
        for name in structure.units
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _thresholds_at(net: Dance, density: float) -> Iterator[None]:
    """While open, each FATReLU that runs first takes the threshold that leaves this density."""

    def choose(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].flatten()
        keep = max(1, round(density * values.numel()))
        cut = values.kthvalue(values.numel() - keep).values if keep < values.numel() else 0.0
        module.threshold.fill_(max(0.0, float(cut)))  # type: ignore[operator]

    hooks = [
        module.register_forward_pre_hook(choose)
        for name, module in net.backbone.named_modules()
        if isinstance(module, FATReLU)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
