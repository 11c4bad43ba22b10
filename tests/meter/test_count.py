"""`count`: MACs and bytes on paper for a network of round numbers, and the shape of its table."""

import numpy as np
import pandas as pd
import pytest
import torch

import dance_lib as dance
from dance_lib import Dance, PlanError, PruningPlan
from dance_lib.meter import branch_ratios, mac_ratios, unit_macs
from tests.networks import CLIP, FAMILIES, TwoBlocks
from tests.plans import by_unit

COLUMNS = ["clip", "unit", "dense_macs", "ideal_macs", "dense_bytes", "ideal_bytes"]


@pytest.fixture(scope="module")
def net():
    return Dance(TwoBlocks(), TwoBlocks.clip)


@pytest.fixture(scope="module")
def plan(net):
    """Clip 0: block 1 keeps frames 0 and 2 and, of unit a, its first 8 of 16 channels; block 2
    keeps the left half of its map. Clip 1: block 2 is dropped."""
    entries = {
        a: {u: m.clone() for u, m in getattr(PruningPlan.full(net, 2), a).items()}
        for a in ("frames", "channels", "features")
    }
    for unit in ("a.0", "b.0"):
        entries["frames"][unit][0, [1, 3]] = False
    entries["channels"]["a.0"][0, 8:] = False
    entries["features"]["c.0"][0, :, 2:] = False
    entries["features"]["d"][0, :, 2:] = False
    for unit in ("c.0", "d"):
        for axis in entries.values():
            axis[unit][1] = False
    return PruningPlan(**entries)


def row(table, clip, unit):
    return table[(table["clip"] == clip) & (table.unit == unit)].iloc[0]


def test_a_row_a_clip_and_unit_and_other(net, plan):
    table = dance.count(net, plan)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == COLUMNS
    assert table["clip"].tolist() == [0] * 5 + [1] * 5
    assert table.unit.tolist() == ["a.0", "b.0", "c.0", "d", "other"] * 2
    assert all(np.issubdtype(table[c].dtype, np.integer) for c in COLUMNS[2:])


def test_macs_by_hand(net, plan):
    table = dance.count(net, plan)
    expected = {  # unit: dense, clip 0, clip 1; positions × inputs × outputs × kernel
        "a.0": (256 * 8 * 16 * 9, 128 * 8 * 8 * 9, 256 * 8 * 16 * 9),
        "b.0": (256 * 16 * 8 * 3, 128 * 8 * 8 * 3, 256 * 16 * 8 * 3),
        "c.0": (32 * 8 * 24 * 27, 16 * 8 * 24 * 27, 0),
        "d": (32 * 24 * 16, 16 * 24 * 16, 0),
    }
    for unit, (dense, first, second) in expected.items():
        for clip, ideal in enumerate((first, second)):
            found = row(table, clip, unit)
            assert (found.dense_macs, found.ideal_macs) == (dense, ideal), unit


def test_bytes_by_hand(net, plan):
    """Values touched once, four bytes each: inputs + weights + biases + outputs."""
    table = dance.count(net, plan)
    a = 8 * 256 + 8 * 16 * 9 + 16 * 256  # (1,3,3), no bias: every input position is read
    b = 16 * 256 + 16 * 8 * 3 + 8 + 8 * 256
    c = 8 * 256 + 8 * 24 * 27 + 24 + 24 * 32
    d = 24 * 32 + 24 * 16 + 16 * 32
    dense = {"a.0": a, "b.0": b, "c.0": c, "d": d}
    first = {
        # Frames 0 and 2 of the stream; half the weights; 8 channels of 128 positions written.
        "a.0": 8 * 128 + 8 * 8 * 9 + 8 * 128,
        # A (3,1,1) kernel at frames 0 and 2 reads frames 0 to 3; 8 channels are not pruned.
        "b.0": 8 * 256 + 8 * 8 * 3 + 8 + 8 * 128,
        # Stride 2, padding 1: output columns 0 and 1 read input columns −1 to 3, so 0 to 3.
        "c.0": 8 * (4 * 8 * 4) + 8 * 24 * 27 + 24 + 24 * 16,
        "d": 24 * 16 + 24 * 16 + 16 * 16,
    }
    for unit, values in dense.items():
        assert row(table, 0, unit).dense_bytes == 4 * values, unit
        assert row(table, 0, unit).ideal_bytes == 4 * first[unit], unit
        ideal = 0 if unit in ("c.0", "d") else 4 * values
        assert row(table, 1, unit).ideal_bytes == ideal, unit


def test_the_other_row(net, plan):
    """Stem, shortcut and head always run; the controller is ideal's alone."""
    table = dance.count(net, plan)
    macs = 256 * 3 * 8 * 9 + 32 * 8 * 16 + 16 * 5
    values = (3 * 256 + 3 * 8 * 9 + 8 * 256) + (8 * 256 + 8 * 16 + 16 * 32) + (16 + 85 + 5)
    assert (net.structure.other_macs, net.structure.dense_macs) == (
        macs, macs + 256 * 8 * 16 * 9 + 256 * 16 * 8 * 3 + 32 * 8 * 24 * 27 + 32 * 24 * 16,
    )  # fmt: skip
    parameters = sum(p.numel() for p in net.controller.parameters())
    for clip in (0, 1):
        other = row(table, clip, "other")
        assert other.dense_macs == macs
        assert other.ideal_macs == macs + net.controller.macs
        assert other.dense_bytes == 4 * values
        assert other.ideal_bytes == 4 * (values + 8 * 256 + parameters)  # reads the stem's output


@pytest.mark.parametrize("family", FAMILIES)
def test_a_full_plan_costs_what_the_dense_network_does(family):
    net = Dance(FAMILIES[family](), CLIP)
    table = dance.count(net, PruningPlan.full(net, 2))
    units = table[table.unit != "other"]
    assert (units.ideal_macs == units.dense_macs).all()
    assert (units.ideal_bytes == units.dense_bytes).all()
    assert (units.dense_macs > 0).all()


@pytest.mark.parametrize("family", ["r2plus1d", "s3d", "csn", "x3d", "pre-activation"])
def test_ratios_are_the_tables(family):
    """R of the budget and R of the tables are one figure."""
    net = Dance(FAMILIES[family](), CLIP)
    structure = net.structure
    plan = PruningPlan.cat(
        [PruningPlan.random(net, 2, frames=0.5, channels=0.5), by_unit(net, 2, 0)]
    )
    table = dance.count(net, plan)
    sums = table.groupby("clip")[["ideal_macs", "dense_macs"]].sum()
    expected = (sums.ideal_macs / sums.dense_macs).to_numpy()
    found = mac_ratios(structure, plan, net.controller.macs).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for name, ratios in branch_ratios(structure, plan).items():
        rows = table[table.unit.isin(structure.branches[name].units)]
        sums = rows.groupby("clip")[["ideal_macs", "dense_macs"]].sum()
        expected = (sums.ideal_macs / sums.dense_macs).to_numpy()
        np.testing.assert_allclose(ratios.numpy(), expected, rtol=1e-12)


def test_gates_and_plans_cost_the_same_and_gates_carry_gradients(net, plan):
    gates = {
        a: {u: m.double().requires_grad_() for u, m in getattr(plan, a).items()}
        for a in ("frames", "channels", "features")
    }
    soft = unit_macs(net.structure, dance.aap.Masks(**gates))
    for name, macs in unit_macs(net.structure, plan).items():
        assert torch.equal(soft[name].detach(), macs)
    soft["a.0"].sum().backward()
    # One more frame of unit a: 64 positions × 8 inputs × kept outputs × 9.
    frame = [64 * 8 * 8 * 9, 64 * 8 * 16 * 9]
    assert gates["frames"]["a.0"].grad.tolist() == [[frame[0]] * 4, [frame[1]] * 4]


def test_another_networks_plan_is_refused(net):
    other = Dance(FAMILIES["csn"](), CLIP)
    with pytest.raises(PlanError, match="the plan is for another network"):
        dance.count(net, PruningPlan.full(other))
    with pytest.raises(PlanError, match="plan must be a PruningPlan, not NoneType"):
        dance.count(net, None)
