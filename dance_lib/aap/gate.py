"""A hard 0/1 decision that gradients pass through."""

import torch
from torch import Tensor

from dance_lib import shard


def gate(logits: Tensor, noise: Tensor | None = None) -> Tensor:
    """1 where logits + noise > 0, else 0; backward, the gradient of sigmoid(logits + noise).

    Straight-through estimator of Bengio et al. 2013 (arXiv 1308.3432); with logistic noise the
    hard sample is that of a binary concrete variable (Maddison et al. 2017, arXiv 1611.00712).
    """
    noisy = logits if noise is None else logits + noise
    if not torch.is_grad_enabled():
        return (noisy > 0).to(noisy.dtype)
    soft = torch.sigmoid(noisy)
    hard = (noisy > 0).to(soft.dtype)
    return hard + (soft - soft.detach())  # in this order the value is exactly 0 or 1


def logistic_noise(like: Tensor) -> Tensor:
    """Standard logistic noise: log u − log(1 − u), u uniform."""
    u = shard.uniform(*like.shape, dtype=like.dtype).to(like.device).clamp_(1e-6, 1 - 1e-6)
    return torch.log(u) - torch.log1p(-u)


def keep_best(gates: Tensor, logits: Tensor) -> Tensor:
    """Open the gate of the largest logit wherever all gates of a clip are closed.

    Both are (N, ...); all axes after the first are one set of gates.
    """
    flat, scores = gates.flatten(1), logits.flatten(1)
    # What is traced, for an export or by torch.compile, must hold for other clips too.
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
    asked = not traced and not flat.is_cuda  # a GPU would have to be waited for
    if asked and (flat.detach() >= 0.5).any(1).all():
        return gates
    best = torch.zeros_like(flat).scatter_(1, scores.argmax(1, keepdim=True), 1.0)
    closed = (flat.detach() < 0.5).all(1, keepdim=True)
    return (flat + best * closed).reshape(gates.shape)
