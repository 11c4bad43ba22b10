"""`count` of a sparse executor against calls that are watched."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import dance_lib as dance
from dance_lib.executors.native import Native
from dance_lib.executors.portable import Portable
from dance_lib.executors.sparse import Sparse
from tests.networks import CLIP, FAMILIES, TwoBlocks, randomise

PLANS = {
    "full": {},
    "frames": {"frames": 0.5},
    "channels": {"channels": 0.5},
    "features": {"features": 0.5},
    "all": {"frames": 0.5, "channels": 0.5, "features": 0.5},
}


def network(family):
    return dance.Dance(randomise(FAMILIES[family]()), CLIP).eval()


@pytest.mark.parametrize("rates", PLANS)
@pytest.mark.parametrize("family", ["r2plus1d", "r3d", "slow"])
def test_portable_kernels_against_pytorch_s_own_counter(family, rates):
    """Every product PyTorch saw, the controller's aside: two flops are one MAC."""
    fast = Sparse(network(family), Portable(torch.float32))
    plan = dance.PruningPlan.random(fast, 2, seed=3, **PLANS[rates])
    table = dance.count(fast, plan)
    with FlopCounterMode(display=False) as counter:
        fast(torch.rand(2, *CLIP), plan)
    without_controller = table["executed_macs"].sum() - 2 * fast.controller.macs
    assert without_controller == counter.get_total_flops() // 2


@pytest.mark.parametrize("rates", PLANS)
@pytest.mark.parametrize("family", ["r2plus1d", "csn", "x3d", "s3d"])
def test_native_kernels_against_watched_calls(family, rates, monkeypatch):
    fast = Sparse(network(family), Native(torch.float32))
    plan = dance.PruningPlan.random(fast, 2, seed=3, **PLANS[rates])
    table = dance.count(fast, plan)
    carried_out = []
    convolve = Native.convolve

    def watched(self, *args):
        carried_out.append(convolve(self, *args))
        return carried_out[-1]

    monkeypatch.setattr(Native, "convolve", watched)
    fast(torch.rand(2, *CLIP), plan)
    # What PyTorch runs itself: linear layers, and convolutions behind a squeeze.
    pooled = [o for o in fast.structure.others if "fc" in o.name or o.outputs == o.macs // o.inputs]
    rest = table["executed_macs"].sum() - 2 * fast.controller.macs - sum(carried_out)
    assert 0 <= rest <= 2 * sum(o.macs for o in pooled)


def test_executed_by_hand():
    """One clip of TwoBlocks whose second branch is dropped: its units execute nothing."""
    fast = Sparse(dance.Dance(TwoBlocks(), TwoBlocks.clip).eval(), Portable(torch.float32))
    whole = dance.PruningPlan.full(fast)
    c = {"c.0", "d"}
    axes = (whole.frames, whole.channels, whole.features)
    plan = dance.PruningPlan(
        *({u: torch.zeros_like(e) if u in c else e for u, e in axis.items()} for axis in axes)
    )
    table = dance.count(fast, plan).set_index("unit")
    assert (table.loc[sorted(c), ["executed_macs", "executed_bytes"]] == 0).all(axis=None)
    # a.0: 256 positions, 8 -> 16 channels, 9 taps. Inputs, weights and outputs once, float32.
    assert table.loc["a.0", "executed_macs"] == 256 * 8 * 16 * 9
    assert table.loc["a.0", "executed_bytes"] == 4 * (256 * 8 + 8 * 16 * 9 + 256 * 16)
    # b.0 is added to the residual stream, which is read and written.
    assert table.loc["b.0", "executed_bytes"] == 4 * (256 * 16 + 16 * 8 * 3 + 2 * 256 * 8)


def test_bfloat16_moves_half_the_bytes():
    net = dance.Dance(TwoBlocks(), TwoBlocks.clip).eval()
    plan = dance.PruningPlan.full(net)
    wide, narrow = (
        dance.count(Sparse(net, Portable(dtype)), plan)["dense_bytes"].sum()
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert wide == 2 * narrow
