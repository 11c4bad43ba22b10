import pytest
import torch

from dance_lib.errors import DanceError
from dance_lib.rivals.smaller import bisect, dense_macs, smaller


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


@pytest.mark.bench
@pytest.mark.parametrize("kind", ["pruned", "narrower"])
@pytest.mark.parametrize("ratio", [0.75, 0.5, 0.2])
def test_it_reaches_its_ratio_and_still_runs(net, clip, kind, ratio):
    before = net.structure.dense_macs
    network, reached = smaller(net.backbone, net.clip_shape, kind, ratio)
    assert abs(reached - ratio) <= 0.02
    assert dense_macs(network, net.clip_shape) == round(reached * before)
    with torch.no_grad():
        assert network(clip).shape == net.backbone(clip).shape
    assert dense_macs(net.backbone, net.clip_shape) == before  # the original is whole


@pytest.mark.bench
def test_a_narrower_network_is_narrower_everywhere(net):
    network, _ = smaller(net.backbone, net.clip_shape, "narrower", 0.3)
    widths = [
        [m.out_channels for m in whole.modules() if isinstance(m, torch.nn.Conv3d)]
        for whole in (net.backbone, network)
    ]
    assert all(new < old for old, new in zip(*widths, strict=True))


@pytest.mark.bench
def test_a_ratio_out_of_reach_says_how_near_it_came(net):
    with pytest.raises(DanceError, match=r"no narrower network comes near 0\.000 of the MACs"):
        smaller(net.backbone, net.clip_shape, "narrower", 1e-9)
