"""Networks that Torch-Pruning makes smaller, at a MAC ratio of one's choice."""

import pytest
import torch
from torch import nn

from dance_lib import Dance
from dance_lib.errors import DanceError
from dance_lib.rivals import smaller as module
from dance_lib.rivals.smaller import bisect, dense_macs, smaller
from tests.networks import CLASSES, randomise

SHAPE = (3, 4, 8, 8)


@pytest.fixture
def net():
    """Wide enough for many ratios, and few layers: each step of the search traces it."""
    layers = []
    for inputs, outputs in ((3, 32), (32, 48), (48, 64)):
        layers += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.BatchNorm3d(outputs), nn.ReLU()]
    head = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, CLASSES))
    return Dance(randomise(nn.Sequential(*layers, *head)), SHAPE).eval()


@pytest.fixture
def clip():
    return torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_bisection_ends_at_the_ratio():
    tried = []

    def without(share):
        tried.append(share)
        return f"net {share}", (1 - share) ** 3

    network, ratio = bisect(without, 0.3)
    assert abs(ratio - 0.3) <= 0.004
    assert network == f"net {tried[-1]}"
    assert len(tried) <= 10


def test_bisection_in_steps_gives_the_nearest():
    # Only 1 and 0.4 can be reached; 0.4 is nearer to 0.5.
    assert bisect(lambda share: (share, 1.0 if share < 0.2 else 0.4), 0.5)[1] == 0.4
    assert bisect(lambda share: (share, 1.0 if share < 0.2 else 0.4), 0.9)[1] == 1.0


def test_macs_are_those_of_the_structure(net):
    assert dense_macs(net.backbone, net.clip_shape) == net.structure.dense_macs


def test_all_macs_are_the_network_itself(net):
    network, ratio = smaller(net.backbone, net.clip_shape, "pruned", 1.0)
    assert (network, ratio) == (net.backbone, 1.0)


@pytest.mark.parametrize(("kind", "ratio"), [("pruned", 0.5), ("narrower", 0.5), ("narrower", 0.2)])
def test_it_reaches_its_ratio_and_still_runs(net, clip, kind, ratio):
    before = net.structure.dense_macs
    network, reached = smaller(net.backbone, net.clip_shape, kind, ratio)
    assert abs(reached - ratio) <= 0.02
    assert dense_macs(network, net.clip_shape) == round(reached * before)
    with torch.no_grad():
        assert network(clip).shape == net.backbone(clip).shape
    assert dense_macs(net.backbone, net.clip_shape) == before  # the original is whole
    if kind == "narrower":  # everywhere
        shares = [new / old for old, new in zip(widths(net.backbone), widths(network), strict=True)]
        assert max(shares) < 1
        assert max(shares) - min(shares) <= 0.25  # widths are multiples of 8 of 32 or more


def widths(backbone):
    return [m.out_channels for m in backbone.modules() if isinstance(m, nn.Conv3d)]


def test_a_ratio_out_of_reach_says_how_near_it_came(net, monkeypatch):
    monkeypatch.setattr(module, "take_away", lambda backbone, *_: backbone)
    message = "no narrower network comes near 0.500 of the MACs: 1.000 at best"
    with pytest.raises(DanceError, match=message):
        smaller(net.backbone, net.clip_shape, "narrower", 0.5)
