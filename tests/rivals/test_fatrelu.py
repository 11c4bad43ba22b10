"""Activations below a threshold, and the MACs of those that remain, counted one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dance_lib import Dance, count
from dance_lib.aap.plan import PruningPlan
from dance_lib.errors import DanceError
from dance_lib.models.find import find_structure
from dance_lib.rivals.fatrelu import FATReLU, input_mac_ratios, set_density, with_fatrelu
from tests.networks import CLASSES, CLIP, FAMILIES, TwoBlocks, randomise
from tests.train.small import every_clip, make_clips, state

UNITS = {"a.0": 294_912, "b.0": 98_304, "c.0": 165_888, "d": 12_288}  # MACs of `TwoBlocks`
OTHER = 59_472
DENSE = sum(UNITS.values()) + OTHER


def thresholds(net):
    return [m.threshold.item() for m in net.backbone.modules() if isinstance(m, FATReLU)]


@pytest.fixture
def rival():
    """`TwoBlocks` with three of them: behind the stem, a and c. Its sum keeps a plain ReLU."""
    return Dance(with_fatrelu(randomise(TwoBlocks())), TwoBlocks.clip, grid=4).eval()


# ------------------------------------------------------------------ the activation
def test_what_is_not_above_the_threshold_is_zero():
    layer = FATReLU()
    x = torch.tensor([-2.0, 0.0, 0.5, 1.0, 1.5, 3.0], requires_grad=True)
    assert torch.equal(layer(x), torch.relu(x))
    layer.threshold.fill_(1.0)
    assert layer(x).tolist() == [0, 0, 0, 0, 1.5, 3.0]  # no step down, as soft thresholds take
    layer(x).sum().backward()
    assert x.grad.tolist() == [0, 0, 0, 0, 1, 1]


def test_thresholds_are_kept_with_the_weights(rival):
    assert {n for n in rival.state_dict() if "threshold" in n} == {
        "backbone.stem.2.threshold", "backbone.a.2.threshold", "backbone.c.1.threshold"
    }  # fmt: skip


@pytest.mark.parametrize("family", ["r2plus1d", "c3d", "s3d", "csn"])
def test_at_zero_nothing_changes(family):
    """Neither logits nor what a unit is: the activation still belongs to it."""
    backbone = randomise(FAMILIES[family]()).eval()
    clip = torch.rand(2, *CLIP, generator=torch.Generator().manual_seed(0))
    before = find_structure(backbone, CLIP)
    with torch.no_grad():
        expected = backbone(clip)
        assert with_fatrelu(backbone) is backbone
        torch.testing.assert_close(backbone(clip), expected)
    assert not any(isinstance(m, nn.ReLU) for m in backbone.modules())
    after = find_structure(backbone, CLIP)
    assert (after.stem, after.stem_shape) == (before.stem, before.stem_shape)
    assert after.units == before.units
    assert after.dense_macs == before.dense_macs


def test_an_activation_that_stands_at_two_places_becomes_two():
    relu = nn.ReLU()
    backbone = with_fatrelu(nn.Sequential(nn.Conv3d(3, 8, 1), relu, nn.Conv3d(8, 8, 1), relu))
    assert isinstance(backbone[1], FATReLU)
    assert isinstance(backbone[3], FATReLU)
    assert backbone[1] is not backbone[3]


def test_a_network_without_one_is_refused():
    with pytest.raises(DanceError, match=r"Sequential has no nn\.ReLU: nothing to give a thresh"):
        with_fatrelu(nn.Sequential(nn.Conv3d(3, 8, 1), nn.SiLU()))


# ------------------------------------------------------------------ what zeros save
def share_by_hand(values):
    """Share of the values that are not zero, one by one."""
    flat = values.flatten().tolist()
    return sum(v != 0 for v in flat) / len(flat)


@torch.no_grad()
def by_hand(net, clip):
    """R of one clip: what each unit of `TwoBlocks` reads, unrolled, and the MACs of its share."""
    b = net.backbone
    stem = b.stem((clip[None] - net.mean) / net.std)
    a = b.a(stem)
    x = torch.relu(stem + b.b(a))
    inputs = {"a.0": stem, "b.0": a, "c.0": x, "d": b.c(x)}
    macs = OTHER + sum(share_by_hand(inputs[u]) * UNITS[u] for u in UNITS)
    return macs / DENSE


@pytest.mark.parametrize("threshold", [0.0, 0.4, 1e9])
def test_macs_of_inputs_that_are_not_zero(rival, clips, threshold):
    for module in rival.backbone.modules():
        if isinstance(module, FATReLU):
            module.threshold.fill_(threshold)
    batch = every_clip(clips)[:6]
    found = input_mac_ratios(rival, batch)
    assert found.shape == (6,)
    expected = [by_hand(rival, clip) for clip in batch]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    if threshold < 1:
        assert len(set(expected)) == 6
        assert max(expected) < 0.95
    assert not any(m._forward_pre_hooks for m in rival.modules())


def test_without_zeros_all_macs_count():
    """SiLU leaves no zeros: R is that of a full plan, the controller left out."""
    convolutions = (nn.Conv3d(3, 8, 1), nn.SiLU(), nn.Conv3d(8, 8, 1), nn.SiLU())
    head = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, CLASSES))
    net = Dance(nn.Sequential(*convolutions, *head), (3, 2, 4, 4)).eval()
    assert input_mac_ratios(net, torch.rand(2, 3, 2, 4, 4)).tolist() == [1.0, 1.0]
    sums = count(net, PruningPlan.full(net)).sum(numeric_only=True)
    assert sums["ideal_macs"] - net.controller.macs == sums["dense_macs"]


# ------------------------------------------------------------------ thresholds
class Copied(nn.Module):
    """A stem that copies its three colours, then one unit: 288, 768 and 40 MACs for 2 × 4 × 4."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 3, 1, bias=False), nn.ReLU())
        nn.init.eye_(self.stem[0].weight.data[:, :, 0, 0, 0])
        self.unit, self.act = nn.Conv3d(3, 8, 1), nn.ReLU()
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.fc(self.act(self.unit(self.stem(x))).mean((2, 3, 4)))


@pytest.fixture
def ramp():
    """One clip whose 96 values are 1 to 96, of 255."""
    frames = np.arange(1, 97, dtype=np.uint8).reshape(1, 2, 4, 4, 3)
    return replace(make_clips(1), frames=frames)


@pytest.mark.parametrize(("kept", "threshold"), [(24, 72), (48, 48), (84, 12)])
def test_the_threshold_is_a_quantile_by_hand(ramp, kept, threshold):
    """So many of 96 values stay: those above the (96 − kept)th."""
    net = Dance(with_fatrelu(Copied()), (3, 2, 4, 4), mean=0.0, std=1.0).train()
    ratio = (288 + 40 + kept / 96 * 768) / 1096
    assert set_density(net, ramp, ratio) == pytest.approx(ratio)
    assert net.backbone.stem[1].threshold.item() == pytest.approx(threshold / 255)
    assert not net.training
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_all_macs_leave_no_threshold(ramp):
    net = Dance(with_fatrelu(Copied()), (3, 2, 4, 4), mean=0.0, std=1.0)
    set_density(net, ramp, 0.5)
    assert thresholds(net)[0] > 0
    assert set_density(net, ramp, 1.0) == pytest.approx(1.0)
    assert thresholds(net)[0] == 0.0


@pytest.mark.parametrize("ratio", [0.4, 0.5])
def test_one_density_for_all_layers_meets_the_ratio(rival, clips, ratio):
    before = state(rival)
    reached = set_density(rival, clips, ratio)
    assert reached == pytest.approx(ratio, abs=0.005)
    batch = every_clip(clips)
    assert input_mac_ratios(rival, batch).mean().item() == pytest.approx(reached)
    seen = []
    hooks = [
        m.register_forward_hook(lambda m, i, o: seen.append(share_by_hand(o)))
        for m in rival.backbone.modules()
        if isinstance(m, FATReLU)
    ]
    with torch.no_grad():
        rival.dense(batch)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 3
    assert max(seen) - min(seen) < 1e-3
    changed = {n for n, value in rival.state_dict().items() if not value.equal(before[n])}
    assert changed == {n for n in before if n.endswith("threshold")}


def test_a_network_that_is_sparser_than_asked_keeps_its_own_zeros(rival, clips):
    own = input_mac_ratios(rival, every_clip(clips)).mean().item()
    assert own < 0.9
    assert set_density(rival, clips, 0.95) == pytest.approx(own)
    assert thresholds(rival) == [0.0, 0.0, 0.0]
