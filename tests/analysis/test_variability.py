"""Running sums over batches against numpy over all activations at once."""

import numpy as np
import pytest
import torch
from torch import nn

from dance_lib import Dance
from dance_lib.analysis.variability import EDGES, measure_variability, norm_rows
from dance_lib.executors.masked import Recorded
from tests.networks import randomise
from tests.train.small import every_clip, make_clips, make_net

COUNT = 20


@pytest.fixture(scope="module")
def net():
    """Bare `d` may be negative, `a` and `c` end in ReLU."""
    net = make_net()
    randomise(net.backbone)
    return net.eval()


@pytest.fixture(scope="module")
def magnitudes(net):
    """|activation| of every unit, (20, C, T, H, W) float64."""
    outputs = {}
    with torch.no_grad():
        net.body(net.stem(every_clip(make_clips(COUNT))), Recorded(outputs.__setitem__))
    return {name: output.abs().double().numpy() for name, output in outputs.items()}


@pytest.fixture(scope="module")
def measured(net):
    return measure_variability(net, make_clips(COUNT), batch_size=7)


def interaction(means):
    """Variance of the interaction of clips and parts, by loops over (clips, parts)."""
    logs = np.log(means + 0.05 * means.mean() + 1e-6)
    left = [
        logs[n, p] - logs[n].mean() - logs[:, p].mean() + logs.mean()
        for n in range(logs.shape[0])
        for p in range(logs.shape[1])
    ]
    return np.mean(np.square(left)) - np.mean(left) ** 2


def parts(a, group_size, grid):
    """Mean magnitude per clip and frame, channel group, tile; maps divide by the grid evenly."""
    height, width = a.shape[3] // grid[0], a.shape[4] // grid[1]
    groups = [a[:, c : c + group_size].mean((1, 2, 3, 4)) for c in range(0, a.shape[1], group_size)]
    tiles = [
        a[..., r * height : (r + 1) * height, c * width : (c + 1) * width].mean((1, 2, 3, 4))
        for r in range(grid[0])
        for c in range(grid[1])
    ]
    return [a.mean((1, 3, 4)), np.stack(groups, 1), np.stack(tiles, 1)]


@pytest.mark.parametrize("unit", ["a.0", "b.0", "c.0", "d"])
def test_units_against_all_activations_at_once(net, magnitudes, measured, unit):
    a = magnitudes[unit]
    row = measured[0].set_index("unit").loc[unit]
    assert row["mean"] == pytest.approx(a.mean(), rel=1e-6)
    assert row["variance"] == pytest.approx(a.var(), rel=1e-6)
    assert row["cv"] == pytest.approx(np.log(1 + a.var() / a.mean() ** 2), rel=1e-6)
    assert row["active"] == (a > 0).mean()
    branch = net.structure.branches[net.structure.units[unit].branch]
    assert row["branch"] == branch.name
    mixed = [interaction(m) for m in parts(a, 8, branch.grid) if m.shape[1] > 1]
    assert len(mixed) == (2 if unit == "b.0" else 3)  # b has one group of channels
    assert row["interaction"] == pytest.approx(np.mean(mixed), rel=1e-4)
    assert row["clips"] == COUNT
    assert row["kind"] == "measured"


@pytest.mark.parametrize("unit", ["a.0", "b.0", "c.0", "d"])
def test_histograms(magnitudes, measured, unit):
    """Shares of all activations, zeros and what lies outside the bins left out."""
    a = magnitudes[unit].flatten()
    bins = measured[1][measured[1]["unit"] == unit]
    assert bins["log10_low"].tolist() == EDGES[:-1].tolist()
    assert bins["log10_high"].tolist() == EDGES[1:].tolist()
    expected = np.histogram(np.log10(a[a > 0]), EDGES)[0] / a.size
    np.testing.assert_allclose(bins["share"], expected, atol=2 / a.size)  # float32 on an edge
    inside = ((a >= 1e-4) & (a <= 100)).mean()
    assert bins["share"].sum() == pytest.approx(inside, abs=2 / a.size)


def test_the_size_of_batches_does_not_matter(net, measured):
    whole = measure_variability(net, make_clips(COUNT), batch_size=COUNT)
    numbers = ["mean", "variance", "cv", "interaction", "active"]
    np.testing.assert_allclose(whole[0][numbers], measured[0][numbers], rtol=1e-5)
    np.testing.assert_allclose(whole[1]["share"], measured[1]["share"], atol=1e-4)


def test_measuring_leaves_the_network_as_it_was(net, measured):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    measure_variability(net, make_clips(COUNT))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_silent_unit_has_no_variability():
    """relu(conv − 1000) is zero everywhere."""
    net = make_net()
    nn.init.constant_(net.backbone.c[0].bias, -1000.0)
    units, bins = measure_variability(net, make_clips(COUNT))
    silent = units.set_index("unit").loc["c.0"]
    assert silent[["mean", "variance", "cv", "active"]].tolist() == [0, 0, 0, 0]
    assert silent["interaction"] == pytest.approx(0, abs=1e-10)
    assert bins[bins["unit"] == "c.0"]["share"].sum() == 0


def test_of_too_few_clips_the_interaction_is_not_known(net):
    units, _ = measure_variability(net, make_clips(15))
    assert units["interaction"].isna().all()
    assert units[["mean", "variance", "cv", "active"]].notna().all(axis=None)


def test_norms_by_hand():
    net = make_net()
    norms = {"stem.1": 8, "a.1": 16, "b.1": 8}
    for i, name in enumerate(norms):
        norm = net.backbone.get_submodule(name)
        with torch.no_grad():
            norm.weight.fill_(i + 1)
            norm.weight[0] = -(i + 1)  # its size counts, not its sign
            norm.bias.fill_(-0.5 * i)
    rows = norm_rows(net)
    assert rows["norm"].tolist() == list(norms)  # the controller's are no part of the backbone
    assert rows["scale"].tolist() == [1, 2, 3]
    assert rows["shift"].tolist() == [0, 0.5, 1]
    assert set(rows["kind"]) == {"measured"}


def test_norms_without_scales_are_left_out():
    net = make_net()
    net.backbone.a[1] = nn.BatchNorm3d(16, affine=False)
    net.backbone.b[1] = nn.GroupNorm(2, 8)
    assert norm_rows(Dance(net.backbone, net.clip_shape))["norm"].tolist() == ["stem.1", "b.1"]
