"""Norms whose statistics are of all processes' clips: those of one process with all clips."""

import copy

import pytest
import torch
from torch import nn

from dance_lib.train.norms import over_all_clips
from tests.in_threads import together
from tests.train.small import same, state


def maps(count=7, dtype=torch.float64):
    """(7, 4, 2, 3, 3), each clip about a mean of its own."""
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(count, 4, 2, 3, 3, generator=draw, dtype=torch.float64)
    return (values + torch.arange(float(count)).reshape(-1, 1, 1, 1, 1)).to(dtype)


def trained(norm, whole, rows, steps=2):
    """Outputs, gradients of inputs and weights, and the norm, after so many batches."""
    norm = copy.deepcopy(norm).train()
    weight = torch.linspace(-1, 1, whole[0].numel(), dtype=whole.dtype).reshape(whole[0].shape)
    with over_all_clips(norm):
        for _ in range(steps):
            own = whole[rows].clone().requires_grad_()
            out = norm(own)
            norm.zero_grad()
            ((out**3) * weight).sum().backward()
    gradients = [p.grad for p in norm.parameters()]
    return out.detach(), own.grad, gradients, state(norm)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"affine": False}], ids=str)
def test_it_is_the_norm_of_the_whole_batch(monkeypatch, processes, options):
    norm = nn.BatchNorm3d(4, **options).double()
    if norm.affine:
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
    whole = maps()
    out, into, gradients, after = trained(norm, whole, slice(0, 7))
    found = together(monkeypatch, 7, processes, lambda own: trained(norm, whole, own))
    torch.testing.assert_close(torch.cat([f[0] for f in found]), out)
    torch.testing.assert_close(torch.cat([f[1] for f in found]), into)
    for number, gradient in enumerate(gradients):  # here losses add up: their sum is that of one
        torch.testing.assert_close(sum(f[2][number] for f in found), gradient)
    for *_, own in found:
        assert same(own, found[0][3])
        for name, tensor in after.items():
            torch.testing.assert_close(own[name], tensor)


def test_large_means_cost_no_accuracy(monkeypatch):
    """Squares of means, which are 10⁸ times the variance, are taken from each other."""
    whole = maps(dtype=torch.float32) * 1e-2 + 100
    norm = nn.BatchNorm3d(4)
    out, *_ = trained(norm, whole, slice(0, 7), steps=1)
    found = together(monkeypatch, 7, 2, lambda own: trained(norm, whole, own, steps=1))
    torch.testing.assert_close(torch.cat([f[0] for f in found]), out, rtol=1e-2, atol=1e-2)


def test_half_precision_is_rounded_at_the_end_alone(monkeypatch):
    """As in PyTorch's own norm; where means are large, a rounded shift would be off by 0.1."""
    whole = maps(dtype=torch.bfloat16) + 50
    norm = nn.BatchNorm3d(4)
    out, *_ = trained(norm, whole, slice(0, 7), steps=1)
    found = together(monkeypatch, 7, 2, lambda own: trained(norm, whole, own, steps=1))
    torch.testing.assert_close(torch.cat([f[0] for f in found]), out, rtol=8e-3, atol=1e-3)


def test_a_norm_in_evaluation_looks_at_nobody(monkeypatch):
    norm = nn.BatchNorm3d(4).double().eval()
    whole = maps()
    with over_all_clips(norm):
        found = together(monkeypatch, 7, 2, lambda own: norm(whole[own]))
    assert torch.equal(torch.cat(found), norm(whole))


def test_afterwards_it_is_the_norm_it_was():
    norm = nn.BatchNorm3d(4)
    with pytest.raises(KeyError), over_all_clips(norm):
        raise KeyError
    assert "forward" not in vars(norm)
