"""Batch norms over the clips of all processes, on any device (SyncBatchNorm wants a GPU)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dance_lib import shard


@contextmanager
def over_all_clips(network: nn.Module) -> Iterator[None]:
    """While open, norms in training standardise by all clips of a batch that processes share."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.forward = partial(_forward, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward  # its class has one


def _forward(norm: _BatchNorm, values: Tensor) -> Tensor:
    """(n, C, ...) -> the same, as `nn.BatchNorm3d` over the whole batch; n may differ by process.

    Mean and variance of parts are joined by E[x] = Σ w_k m_k, Var[x] = Σ w_k (v_k + m_k²) − E[x]²
    with the share w_k of the clips that process k has (Chan, Golub, LeVeque: Updating formulae and
    a pairwise algorithm for computing sample variances, 1979): one message a norm. Its few sums are
    in float64, where the difference of squares costs nothing.
    """
    if not (shard.is_open() and norm.training):
        return type(norm).forward(norm, values)
    axes = [0, *range(2, values.dim())]
    exact = torch.promote_types(values.dtype, torch.float32)  # sums of half precision are none
    variance, mean = torch.var_mean(values.to(exact), axes, correction=0)
    variance, mean = variance.double(), mean.double()
    mean, square = shard.average(torch.stack([mean, variance + mean**2]))
    variance = (square - mean**2).clamp(min=0)
    _remember(norm, mean.detach(), variance.detach(), shard.grown(values.numel() // len(mean)))
    scale = torch.rsqrt(variance + norm.eps)
    shift = -mean * scale
    if norm.affine:
        scale = scale * norm.weight
        shift = shift * norm.weight + norm.bias
    size = (1, -1, *[1] * (values.dim() - 2))
    normed = values * scale.to(exact).view(size) + shift.to(exact).view(size)
    return normed.to(values.dtype)  # not before: a large shift has few digits left in it


@torch.no_grad()
def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Running statistics, as `nn.BatchNorm3d` keeps them: the variance without its bias."""
    if not norm.track_running_stats or norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    share = norm.momentum
    if share is None:  # a mean over all batches
        share = 1.0 / float(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    unbiased = variance * (count / max(1, count - 1))
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), share)
