"""A batch that processes share: no clip twice, none left out, and sums that are those of one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dance_lib import shard
from dance_lib.aap.budget import Budget
from dance_lib.aap.masks import Masks
from dance_lib.ava import AVALoss, variability
from dance_lib.shard import shard_of
from tests.in_threads import together
from tests.train.small import make_net

PARTS = (8, (2, 2))


@given(total=st.integers(1, 300), processes=st.integers(1, 64))
@settings(deadline=None)
def test_every_clip_is_in_one_shard(total, processes):
    shards = [shard_of(total, process, processes) for process in range(processes)]
    if processes == 1 or total < processes:
        assert shards == [None] * processes  # each takes all
        return
    rows = list(range(total))
    assert [row for own in shards for row in rows[own.rows]] == rows
    sizes = [own.count for own in shards]
    assert max(sizes) - min(sizes) <= 1


def test_without_a_shard_nothing_is_summed():
    values = torch.tensor([1.0, 2.0])
    assert shard.summed(values) is values
    assert shard.gathered(values) is values
    assert shard.mean(values) == 1.5


def test_clips_come_together_in_their_order(monkeypatch):
    whole = torch.arange(21.0).reshape(7, 3)
    for found in together(monkeypatch, 7, 3, lambda own: shard.gathered(whole[own])):
        assert torch.equal(found, whole)


def test_a_mean_weighs_every_clip_alike(monkeypatch):
    """Three clips of 1 and two of 6: 15 / 5, where the mean of the processes' means is 3.5."""
    whole = torch.tensor([1.0, 1.0, 6.0, 6.0, 1.0])
    found = together(monkeypatch, 5, 2, lambda own: shard.mean(whole[own]))
    assert found == [pytest.approx(3.0)] * 2


def test_random_numbers_are_those_of_one_process(monkeypatch):
    expected = torch.rand(5, 2, generator=torch.Generator().manual_seed(3))

    def draw(own):
        generator = torch.Generator().manual_seed(3)
        return shard.uniform(own.stop - own.start, 2, generator=generator)

    assert torch.equal(torch.cat(together(monkeypatch, 5, 2, draw)), expected)


def gradient(value, of):
    """Mean over the processes, as training takes it, is what the caller makes of these."""
    return torch.autograd.grad(value, of)[0]


def test_gradients_of_a_sum_are_those_of_one_process(monkeypatch):
    """d/dw of (mean of w x)² is 2 w (mean x)²; x = 1, 2, 6 and w = 2: 36."""
    x = torch.tensor([1.0, 2.0, 6.0])

    def run(own):
        w = torch.tensor(2.0, requires_grad=True)
        return gradient(shard.mean(w * x[own]) ** 2, w)

    assert torch.stack(together(monkeypatch, 3, 2, run)).mean() == pytest.approx(36.0)


# ------------------------------------------------------------------ AVA
def test_ava_is_of_all_clips(monkeypatch):
    """One process has magnitudes of 1, the other of 3: to each alone, nothing varies.

    Mean 2, variance 1: log(1 + 1/4).
    """
    whole = torch.tensor([1.0, 1.0, 3.0, 3.0]).reshape(4, 1, 1, 1, 1).expand(4, 8, 2, 4, 4)
    raw = together(monkeypatch, 4, 2, lambda own: variability(whole[own], "raw", PARTS))
    cv = together(monkeypatch, 4, 2, lambda own: variability(whole[own], "cv", PARTS))
    assert raw == [pytest.approx(1.0)] * 2
    assert cv == [pytest.approx(math.log(1.25), rel=1e-5)] * 2
    assert variability(whole[:2], "cv", PARTS) == 0


@pytest.mark.parametrize("variant", ["raw", "cv", "interaction"])
@pytest.mark.parametrize("alive", [0.01, 0.5])
def test_avas_loss_and_gradient_are_those_of_one_process(monkeypatch, variant, alive):
    """Also where too few activations are alive, which only all clips together can tell."""
    net = make_net()
    draw = torch.Generator().manual_seed(0)
    sizes = {name: unit.out_shape for name, unit in net.structure.units.items()}
    outputs = {
        name: torch.rand(19, *size, generator=draw, dtype=torch.float64)
        * (torch.rand(19, *size, generator=draw) < alive)
        for name, size in sizes.items()
    }
    loss = AVALoss(net.structure, variant)

    def run(rows):
        own = {name: output[rows].requires_grad_() for name, output in outputs.items()}
        value = loss(own)
        return value, torch.autograd.grad(value, list(own.values()))

    expected, gradients = run(slice(0, 19))
    found = together(monkeypatch, 19, 2, run)
    for value, _ in found:
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    for unit, gradient in enumerate(gradients):
        # A process's gradient is of the sum of both losses, which are one: twice that.
        both = torch.cat([own[unit] for _, own in found]) / 2
        torch.testing.assert_close(both, gradient, rtol=1e-4, atol=1e-7)


# ------------------------------------------------------------------ budget
def masks_of(net, kept):
    """All open for the clips where `kept` is 1, closed where it is 0."""
    units = net.structure.units.items()

    def entries(size):
        return {name: kept.reshape(-1, *[1] * len(size(u))).expand(-1, *size(u)) * 1.0
                for name, u in units}  # fmt: skip

    return Masks(
        entries(lambda u: u.out_shape[1:2]),
        entries(lambda u: u.out_shape[:1]),
        entries(lambda u: u.out_shape[2:]),
    )


def test_the_budget_is_of_all_clips(monkeypatch):
    """One process keeps all of its clips' work, the other none: together they meet the budget."""
    net = make_net()
    kept = torch.tensor([1.0, 1.0, 0.0, 0.0])
    other = net.structure.other_macs / net.structure.dense_macs
    budget = Budget((1 + other) / 2, slack=(0.0, 0.0), anneal=0.0)

    def run(rows):
        own = kept[rows].clone().requires_grad_()
        penalty, ratios = budget.loss(net.structure, masks_of(net, own), 1.0)
        return penalty, ratios, gradient(penalty, own)

    for penalty, ratios, slope in together(monkeypatch, 4, 2, run):
        assert penalty.item() == pytest.approx(0.0, abs=1e-12)
        assert ratios.tolist() == pytest.approx([1.0, 1.0, other, other])
        assert slope.abs().max() < 1e-6
    alone, *_ = run(slice(0, 2))
    # (1 − ρ)² of the whole network, and (1 − ½)² of its branches
    assert alone.item() == pytest.approx(((1 - other) / 2) ** 2 + 0.25)


def test_the_share_of_each_axis_is_of_all_clips(monkeypatch):
    """The process that keeps all is over the bound of 1 − ½ (1 − ρ); together they are not."""
    net = make_net()
    kept = torch.tensor([1.0, 1.0, 0.0, 0.0])
    free, asked = Budget(0.6, anneal=0.0), Budget(0.6, anneal=0.0, axis_share=0.5)

    def extra(rows):
        masks = masks_of(net, kept[rows])
        return asked.loss(net.structure, masks, 1.0)[0] - free.loss(net.structure, masks, 1.0)[0]

    assert together(monkeypatch, 4, 2, extra) == [pytest.approx(0.0, abs=1e-12)] * 2
    assert extra(slice(0, 2)).item() == pytest.approx(3 * 0.2**2, rel=1e-5)
