"""Ideal MACs and bytes against loops over every weight, kernel offset and position."""

import numpy as np
import pytest
import torch
from torch import nn

import dance_lib as dance
from dance_lib import Dance, PruningPlan
from tests.networks import CLASSES, CLIP, FAMILIES, PreActivation
from tests.plans import by_unit


def kept_inputs(unit, plan, n):
    """The mask of a unit's input channels, put together from its sources."""
    parts = [
        np.ones(count, bool) if source is None else plan.channels[source][n].numpy()
        for source, count in unit.sources
    ]
    return np.concatenate(parts)


def pairs(unit, plan, n):
    """Weights per kernel offset that join a kept output channel and a kept input channel."""
    written, read = plan.channels[unit.name][n].numpy(), kept_inputs(unit, plan, n)
    outs, ins = len(written) // unit.groups, len(read) // unit.groups
    return sum(
        1 for o in np.flatnonzero(written) for i in range(ins) if read[(o // outs) * ins + i]
    )


def positions_read(unit, plan, n):
    """How many positions of the input lie under the kernel of some kept output."""
    touched = np.zeros(unit.in_shape[1:], bool)
    frames, features = plan.frames[unit.name][n].numpy(), plan.features[unit.name][n].numpy()
    for t in np.flatnonzero(frames):
        for h, w in np.argwhere(features):
            for offset in np.ndindex(*unit.kernel):
                place = tuple(
                    o * s - p + k * d
                    for o, s, p, k, d in zip(
                        (t, h, w), unit.stride, unit.padding, offset, unit.dilation, strict=True
                    )
                )
                if all(0 <= x < size for x, size in zip(place, touched.shape, strict=True)):
                    touched[place] = True
    return int(touched.sum())


def check(net, plan, bias):
    table = dance.count(net, plan).set_index(["clip", "unit"])
    for name, unit in net.structure.units.items():
        volume = int(np.prod(unit.kernel))
        for n in range(len(plan)):
            positions = int(plan.positions(name)[n].sum())
            kept = int(plan.channels[name][n].sum())
            macs = positions * pairs(unit, plan, n) * volume
            assert table.loc[n, name].ideal_macs == macs, name
            values = positions * kept + pairs(unit, plan, n) * volume + kept * bias(name)
            values += positions_read(unit, plan, n) * int(kept_inputs(unit, plan, n).sum())
            if positions * kept == 0:
                values = 0
            assert table.loc[n, name].ideal_bytes == 4 * values, name


@pytest.mark.parametrize("family", ["narrow", "s3d", "csn", "x3d", "pre-activation"])
def test_families(family):
    net = Dance(FAMILIES[family](), (3, 5, 21, 26))
    branches = [b.name for b in net.structure.branches.values() if b.droppable]
    plan = by_unit(net, 2, seed=4, drop={1: branches[0]} if branches else {})
    check(net, plan, lambda name: net.backbone.get_submodule(name).bias is not None)


class Odd(nn.Module):
    """Dilation, stride above the kernel, even kernels, wide padding, a channel multiplier."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 6, 3, padding=1)
        self.units = nn.Sequential(
            nn.Conv3d(6, 8, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv3d(8, 16, (1, 2, 2), stride=(2, 3, 3), groups=4),
            nn.ReLU(),
            nn.Conv3d(16, 9, (4, 1, 3), padding=(3, 0, 2)),
            nn.ReLU(),
        )
        self.fc = nn.Linear(9, CLASSES)

    def forward(self, x):
        return self.fc(self.units(torch.relu(self.stem(x))).mean((2, 3, 4)))


@pytest.mark.parametrize("seed", range(3))
def test_odd_kernels_strides_and_dilations(seed):
    net = Dance(Odd(), (3, 6, 11, 13))
    check(net, by_unit(net, 2, seed), lambda name: True)


def test_a_grouped_convolution_pays_for_the_inputs_that_are_kept():
    """Channels that it multiplies can't follow its input's mask, but a pruned input is free."""
    net = Dance(Odd(), (3, 6, 11, 13))
    unit = net.structure.units["units.2"]
    assert (unit.groups, unit.shares, unit.prunable_channels) == (4, None, False)
    full = PruningPlan.full(net)
    half = {**full.channels, "units.0": torch.arange(8)[None] % 2 == 0}
    table = dance.count(net, PruningPlan(full.frames, half, full.features)).set_index("unit")
    assert table.loc["units.2"].ideal_macs * 2 == table.loc["units.2"].dense_macs


def test_stream_channels_are_read_whole():
    net = Dance(PreActivation(), CLIP)
    plan = PruningPlan.random(net, 1, channels=0.01)
    table = dance.count(net, plan).set_index("unit")
    unit = net.structure.units["blocks.0.conv1"]
    kept = int(plan.channels["blocks.0.conv1"].sum())
    positions = int(np.prod(unit.out_shape[1:]))
    assert table.loc["blocks.0.conv1"].ideal_macs == positions * 12 * kept
