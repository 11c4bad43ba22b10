"""What can be said of a bench on a GPU without one."""

import dataclasses

import pandas as pd
import pytest
import torch

from dance_lib import PruningPlan
from dance_lib.bench import gpu
from dance_lib.bench.candidates import Candidate
from dance_lib.bench.gpu import GPUS, on_the_clock, with_bounds
from dance_lib.bench.latency import latency_table
from dance_lib.bench.measure import measure
from dance_lib.bench.plans import TimedPlan, rate_of_budget, timed_plans
from dance_lib.bench.setting import BenchError
from dance_lib.meter.cost import mac_ratios


def test_a_run_ends_when_the_device_has():
    did = []
    dense, absent = on_the_clock(
        [Candidate("a", "dense", lambda: did.append("run"), prepare=lambda: did.append("prepare")),
         Candidate("b", "dense", None, {"reason": "not installed"})],
        wait=lambda: did.append("wait"),
    )  # fmt: skip
    dense.prepare()
    dense.run()
    assert did == ["prepare", "wait", "run", "wait"]
    assert absent.run is None
    assert absent.facts == {"reason": "not installed"}


@pytest.mark.parametrize("device", GPUS.values(), ids=lambda d: d.name)
def test_figures_are_sourced_and_told_apart(device):
    """A MAC is two FLOPs; the sparse peak, twice the dense one, is not meant."""
    assert device.float16_gmacs == pytest.approx(494_700)
    assert device.float32_gmacs == pytest.approx(33_450)
    assert device.bandwidth_gb in (3352, 4800)
    assert all("NVIDIA" in source for source in device.sources.values())


def test_rooflines_of_dense_engines_and_plans(net):
    """A chip so slow in arithmetic that MACs alone decide: 1e6 MACs take a millisecond."""
    slow = dataclasses.replace(
        GPUS["NVIDIA H200"], float16_gmacs=1.0, float32_gmacs=0.5, bandwidth_gb=1e9
    )
    plan = PruningPlan.random(net, 2, frames=0.5, channels=0.5)
    timed = [TimedPlan("all 0.5", "all", 0.5, "random", plan)]
    candidates = [Candidate("eager", "dense", None), Candidate("all 0.5", "ours", None),
                  Candidate("stem", "part", None)]  # fmt: skip
    dense, ours, part = with_bounds(candidates, net, timed, "float16", 1, slow)
    macs = net.structure.dense_macs
    assert dense.facts["roofline_ms"] == pytest.approx(macs / 1e6)
    ratio = mac_ratios(net.structure, plan, net.controller.macs).mean().item()
    assert ours.facts["roofline_ms"] == pytest.approx(ratio * macs / 1e6)
    assert ours.facts["roofline_of"] == "H200 SXM"
    assert "roofline_ms" not in part.facts
    (whole,) = with_bounds(candidates[:1], net, [], "float32", 1, slow)
    assert whole.facts["roofline_ms"] == pytest.approx(2 * macs / 1e6)


def test_a_batch_reads_its_weights_once(net):
    """A chip so slow in memory that bytes alone decide: 1e6 values of half precision take 2 ms."""
    slow = dataclasses.replace(GPUS["NVIDIA H200"], float16_gmacs=1e9, bandwidth_gb=1.0)

    def dense(batch):
        candidates = [Candidate("eager", "dense", None)]
        (found,) = with_bounds(candidates, net, [], "float16", batch, slow)
        return found.facts["roofline_ms"]

    layers = [*net.structure.units.values(), *net.structure.others]
    weights = sum(layer.weights for layer in layers)
    assert dense(1) - dense(4) == pytest.approx(2 * weights * 3 / 4 / 1e6)


def test_the_distance_to_the_roofline_is_a_column():
    facts = {"roofline_ms": 0.5, "ideal_mac_ratio": 1.0}
    candidates = [Candidate("eager", "dense", print, facts), Candidate("stem", "part", print)]
    timings = pd.DataFrame({"name": ["eager", "stem"], "round": [0, 0], "ms": [8.0, 2.0]})
    table = latency_table(candidates, timings, batch=4).set_index("name")
    assert table.loc["eager", "of_roofline"] == 0.25  # 0.5 of 2 ms a clip
    assert pd.isna(table.loc["stem", "of_roofline"])


def test_no_gpu_is_an_error_with_the_remedy(setting, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_gpu = setting.model_copy(update={"threads": "cuda", "precision": "float16"})
    with pytest.raises(BenchError, match=r"no CUDA device here; give --device cpu"):
        measure(on_gpu, 1)


def test_an_unknown_gpu_has_no_roofline(net):
    candidates = [Candidate("eager", "dense", None)]
    assert with_bounds(candidates, net, [], "float16", 1) == candidates


def test_budgets_are_met_by_one_rate_of_all_axes(net, clip):
    found = timed_plans(net, clip, quick=True, budgets=(0.5, 0.3))
    named = {timed.name: timed for timed in found}
    for budget in (0.5, 0.3):
        timed = named[f"MACs {budget}"]
        assert mac_ratios(net.structure, timed.plan).mean().item() == pytest.approx(budget, abs=0.1)
    assert rate_of_budget(net, 0.3, 0) < rate_of_budget(net, 0.5, 0) < 1
    assert not any(t.name.startswith("MACs") for t in timed_plans(net, clip, quick=True))


def test_versions_that_decide_on_a_gpu():
    assert set(gpu.origin()) == {"cuda", "triton"}
