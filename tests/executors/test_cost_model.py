"""Which units leave dropped channels out, worked out by hand."""

import json
import math

import numpy as np
import pytest
import torch

import dance_lib as dance
from dance_lib.executors import cost_model, native
from dance_lib.executors.cost_model import CostModel, Rates, measured
from dance_lib.executors.layer import Kept
from dance_lib.executors.portable import Portable
from dance_lib.executors.sparse import Sparse
from tests.networks import TwoBlocks

HALF = np.arange(8, dtype=np.int32)


@pytest.fixture(scope="module")
def fast():
    return Sparse(dance.Dance(TwoBlocks(), TwoBlocks.clip).eval(), Portable(torch.float32))


def choose(fast, rates, **kept):
    everything = {name: Kept() for name in fast.structure.units}
    return CostModel(fast.structure, fast._program.layers, rates).choose(everything | kept)


# Branch of units a.0 (8 -> 16 channels, 9 taps) and b.0 (16 -> 8, 3 taps) at 4 × 8 × 8 = 256
# positions. All channels: (8·16·9 + 16·8·3)·256 = 393,216 MACs. With 8 of a.0's 16 channels:
# (8·8·9 + 8·8·3)·256 = 196,608 MACs and 576 + 192 = 768 weights laid out anew. The saving pays
# where 196,608 MACs take longer than 768 weights: a weight for less than 256 MACs.
@pytest.mark.parametrize(("weight_in_macs", "left_out"), [(255, True), (257, False)])
def test_channels_are_left_out_where_their_weights_pay(fast, weight_in_macs, left_out):
    rates = Rates(per_mac_s=1e-9, per_weight_s=weight_in_macs * 1e-9)
    chosen = choose(fast, rates, **{"a.0": Kept(channels=HALF)})
    assert chosen == (frozenset({"a.0", "b.0"}) if left_out else frozenset())


def test_fewer_positions_make_weights_dearer(fast):
    """One frame of four: a quarter of the MACs, the same weights, so 64 MACs a weight at most."""
    one = np.array([2], dtype=np.int32)
    for weight_in_macs, left_out in ((63, True), (65, False)):
        rates = Rates(per_mac_s=1e-9, per_weight_s=weight_in_macs * 1e-9)
        kept = {"a.0": Kept(frames=one, channels=HALF), "b.0": Kept(frames=one)}
        assert bool(choose(fast, rates, **kept)) == left_out


def test_a_branch_without_dropped_channels_is_not_asked(fast):
    rates = Rates(per_mac_s=1.0, per_weight_s=1e-9)
    assert choose(fast, rates, **{"a.0": Kept(frames=np.array([0], dtype=np.int32))}) == frozenset()


def test_results_do_not_depend_on_the_choice(fast, monkeypatch):
    plan = dance.PruningPlan.random(fast, 2, channels=0.5, frames=0.5)
    clip = torch.rand(2, *TwoBlocks.clip, generator=torch.Generator().manual_seed(0))
    given = []
    for rates in (Rates(per_mac_s=1.0, per_weight_s=1e-9), Rates(per_mac_s=1e-9, per_weight_s=1)):
        model = CostModel(fast.structure, fast._program.layers, rates)
        monkeypatch.setattr(fast, "_costs", model)
        given.append(fast(clip, plan))
    torch.testing.assert_close(given[0], given[1], rtol=1e-5, atol=1e-6)


def test_rates_are_measured_once_and_a_damaged_file_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(cost_model, "cache_folder", lambda: tmp_path)
    calls = []

    def measure(kernels):
        calls.append(kernels.key)
        return Rates(per_mac_s=2e-9, per_weight_s=3e-9)

    monkeypatch.setattr(cost_model, "measure", measure)
    kernels = Portable(torch.float32)
    assert measured(kernels) == measured(kernels) == Rates(per_mac_s=2e-9, per_weight_s=3e-9)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text()) == {"per_mac_s": 2e-9, "per_weight_s": 3e-9}
    file.write_text('{"per_mac_s": -1}')
    assert measured(kernels).per_mac_s == 2e-9
    assert calls == ["portable-float32"] * 2


def test_real_rates_are_finite_and_positive():
    rates = cost_model.measure(native.Native(torch.float32))
    assert 0 < rates.per_mac_s < math.inf
    assert 0 < rates.per_weight_s < math.inf
