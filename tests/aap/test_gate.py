"""Gates: hard forward, straight-through backward, and the best one kept where all close."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dance_lib.aap.gate import gate, keep_best, logistic_noise


def test_values_are_exactly_zero_or_one():
    """Also in float32, where (1 + s) − s is not 1 for most s."""
    logits = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 4
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        values = gate(logits.to(dtype).requires_grad_())
        assert values.dtype == dtype
        assert values.unique().tolist() == [0.0, 1.0]
        assert torch.equal(values.bool(), logits.to(dtype) > 0)


def test_a_logit_of_zero_closes():
    assert gate(torch.tensor([0.0, 1e-30, -1e-30])).tolist() == [0.0, 1.0, 0.0]


@given(z=st.floats(-6, 6), n=st.floats(-3, 3))
@settings(deadline=None)
def test_forward_and_gradient_by_hand(z, n):
    """1[z + n > 0]; backward s(1 − s) with s = sigmoid(z + n)."""
    logits = torch.tensor([z], dtype=torch.float64, requires_grad=True)
    value = gate(logits, torch.tensor([n], dtype=torch.float64))
    assert value.item() == float(z + n > 0)
    (5.0 * value).sum().backward()
    s = 1 / (1 + np.exp(-(z + n)))
    np.testing.assert_allclose(logits.grad.item(), 5.0 * s * (1 - s), rtol=1e-9, atol=1e-15)


def test_noise_is_standard_logistic():
    """Mean 0, variance π²/3, P(noise < 1) = sigmoid(1); finite however long one draws."""
    torch.manual_seed(0)
    noise = logistic_noise(torch.empty(200_000, dtype=torch.float64))
    assert abs(noise.mean()) < 0.02
    assert abs(noise.var() - np.pi**2 / 3) < 0.05
    assert abs((noise < 1).double().mean() - 1 / (1 + np.exp(-1))) < 0.005
    assert torch.isfinite(noise).all()


def test_keep_best_opens_one_gate_where_all_are_closed():
    logits = torch.tensor([[-3.0, -1.0, -2.0], [2.0, -1.0, 5.0], [-9.0, -9.0, -8.0]])
    kept = keep_best(gate(logits), logits)
    assert kept.tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 1]]


def test_keep_best_takes_all_axes_of_a_clip_as_one_set():
    """Tiles: (N, G, G), one kept of the whole grid and not one a row."""
    logits = torch.full((2, 3, 3), -1.0)
    logits[0, 1, 2] = -0.5
    logits[1, 0, 0] = 0.5
    kept = keep_best(gate(logits), logits)
    assert kept.sum((1, 2)).tolist() == [1, 1]
    assert kept[0, 1, 2] == 1
    assert kept[1, 0, 0] == 1


def test_keep_best_passes_the_gates_gradient():
    """Opening the best adds a constant: the gradient is that of the gates alone."""
    logits = torch.tensor([[-3.0, -1.0], [1.0, -2.0]], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[2.0, 3.0], [5.0, 7.0]], dtype=torch.float64)
    (weights * keep_best(gate(logits), logits)).sum().backward()
    s = 1 / (1 + np.exp(-logits.detach().numpy()))
    np.testing.assert_allclose(logits.grad.numpy(), weights.numpy() * s * (1 - s), rtol=1e-12)
