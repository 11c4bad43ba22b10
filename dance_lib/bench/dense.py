"""The dense network as every engine gets it: Dance's normalisation, then the backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dance_lib.network import Dance

Run = Callable[[Tensor], Tensor]  # clip (N, C, T, H, W) float32 in [0, 1] -> logits (N, classes)


class DenseNetwork(nn.Module):
    """Clip (N, C, T, H, W) in [0, 1] -> logits (N, classes), without plan or controller.

    Args:
        backbone: in evaluation mode; its modules are used, not copied.
        mean, std: (1, C, 1, 1, 1) of the pixels.
    """

    def __init__(self, backbone: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.eval()

    @classmethod
    def of(cls, net: Dance, backbone: nn.Module | None = None) -> DenseNetwork:
        """That of a `Dance` network, or of another backbone behind the same normalisation."""
        return cls(backbone or net.backbone, net.mean, net.std)

    def forward(self, clip: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, classes)."""
        return self.backbone((clip - self.mean) / self.std)


@torch.no_grad()
def settle_norms(network: nn.Module, clip: Tensor) -> None:
    """Let the norms of an untrained network in evaluation bring each map to a mean square of 1.

    Otherwise activations grow or die out layer by layer: denormal numbers distort times, and
    bfloat16 overflows its tolerance. One scale for all channels and no shift, on purpose: the
    statistics of each channel amplify what little differs between positions of noise, until
    rounding alone changes every logit.
    """

    def scale(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.zero_()
        norm.running_var.fill_(inputs[0].square().mean())
        if not norm.weight.any():  # a branch that starts at zero would escape every check
            norm.weight.fill_(1)

    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_pre_hook(scale) for norm in norms]
    network.eval()(clip)
    for hook in hooks:
        hook.remove()


def relative_error(logits: Tensor, expected: Tensor) -> float:
    """Largest error of a logit over the largest logit of its clip, the worst of (N, classes).

    NaN, or another shape, counts as infinitely wrong.
    """
    if logits.shape != expected.shape:
        return float("inf")
    error = (logits.double() - expected.double()).abs().amax(1)  # (N,)
    worst = (error / expected.double().abs().amax(1).clamp(min=1e-12)).max().item()
    return worst if worst == worst else float("inf")
