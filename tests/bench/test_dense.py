import math

import pytest
import torch
from torch import nn

from dance_lib.bench.dense import DenseNetwork, relative_error, settle_norms


def test_it_is_what_dance_computes_without_a_plan(net, clip):
    with torch.no_grad():
        assert torch.allclose(DenseNetwork.of(net)(clip), net.dense(clip), rtol=1e-6, atol=1e-6)


def test_relative_error_is_that_of_the_worst_clip():
    expected = torch.tensor([[10.0, 1.0], [0.5, -1.0]])
    off = torch.tensor([[1.0, 0.0], [0.0, 0.25]])
    assert relative_error(expected + off, expected) == 0.25
    assert relative_error(expected, expected) == 0
    assert math.isinf(relative_error(expected * torch.nan, expected))
    assert math.isinf(relative_error(expected[:, :1], expected))


def test_settled_norms_bring_maps_to_a_mean_square_of_one():
    maps = torch.tensor([[1.0, 7.0]])[:, :, None, None, None]  # mean square 25
    network = nn.Sequential(nn.BatchNorm3d(2), nn.BatchNorm3d(2))
    nn.init.zeros_(network[0].weight)
    settle_norms(network, maps)
    assert network[0].running_mean.tolist() == [0, 0]
    assert network[0].running_var.tolist() == [25, 25]
    assert network[0].weight.tolist() == [1, 1]
    assert network[1].running_var.tolist() == pytest.approx([1, 1])
    assert network(maps).flatten().tolist() == pytest.approx([0.2, 1.4], rel=1e-4)
    assert not network.training
