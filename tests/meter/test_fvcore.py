"""Dense counts against fvcore, which counts a trace: one MAC here is one "flop" there."""

import warnings

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

import dance_lib as dance
from dance_lib import Dance, PruningPlan
from dance_lib.aap.statistics import Statistics
from tests.networks import CLIP, FAMILIES, TwoBlocks


def flops(module, inputs):
    """MACs of convolutions and linear layers."""
    analysis = FlopCountAnalysis(module.eval(), inputs)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit, on which fvcore stands, is deprecated
        counted = analysis.by_operator()
    return counted["conv"] + counted["linear"] + counted["addmm"]


@pytest.mark.parametrize("family", [*FAMILIES, "two blocks"])
def test_dense_macs(family):
    network = FAMILIES[family]() if family in FAMILIES else TwoBlocks()
    clip = CLIP if family in FAMILIES else TwoBlocks.clip
    net = Dance(network, clip)
    expected = flops(network, torch.zeros(1, *clip))
    assert net.structure.dense_macs == expected
    table = dance.count(net, PruningPlan.full(net))
    assert table.dense_macs.sum() == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", dance.list_models())
def test_dense_macs_of_every_backbone(name):
    shape = (3, 8, 64, 64)
    backbone = dance.create_model(name, 5, shape)
    expected = flops(backbone, torch.zeros(1, *shape))
    assert Dance(backbone, shape).structure.dense_macs == expected


class Heads(nn.Module):
    """The controller with tensors in and out, which is all that a trace can see."""

    def __init__(self, controller):
        super().__init__()
        self.controller = controller

    def forward(self, channels, frames, tiles):
        d = self.controller(Statistics(channels, frames, tiles))
        return (*d.frames.values(), *d.tiles.values(), *d.channels.values())


@pytest.mark.parametrize("axes", [dance.aap.AXES, ("frames",), ("channels",), ("features",)])
@pytest.mark.parametrize("family", ["narrow", "x3d"])
def test_macs_of_the_controller(family, axes):
    net = Dance(FAMILIES[family](), CLIP, axes=axes).eval()
    with torch.no_grad():
        s = net.statistics(net.stem(torch.rand(1, *CLIP)))
    assert net.controller.macs == flops(Heads(net.controller), (s.channels, s.frames, s.tiles))
