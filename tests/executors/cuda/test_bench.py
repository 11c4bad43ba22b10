"""`dance bench --device cuda` from start to end, on the processor in the place of a GPU."""

import pytest
import torch

from dance_lib.bench import energy, gpu
from dance_lib.bench.energy import measure_energy
from dance_lib.bench.measure import measure
from dance_lib.bench.ours import PLANNING
from dance_lib.bench.setting import Setting
from dance_lib.devices.host import Reading

SETTING = Setting(
    model="r2plus1d_narrow", clip_shape=(3, 2, 16, 16), precision="float32", threads="cuda",
    batch=1, engines=("eager",), rounds=1, quick=True, static=False,
)  # fmt: skip


@pytest.fixture
def instead_of_a_gpu(monkeypatch):
    """What waited for the device, and how often."""
    waited = []
    monkeypatch.setattr(gpu, "prepare", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return waited


@pytest.mark.slow
def test_times_plans_and_rooflines_of_one_setting(instead_of_a_gpu):
    measured = measure(SETTING, threads=1)
    table = measured.latency.set_index("name")
    plans = ["full", "frames 0.5", "channels 0.5", "features 0.5", "all 0.5", "mixed", "MACs 0.5",
             "MACs 0.3", "controller"]  # fmt: skip
    assert list(table.index) == ["eager", *plans, "stem", PLANNING]
    assert set(table["kind"]) == {"measured"}, table["reason"].tolist()
    assert (table.loc[plans, "relative_error"] < 1e-3).all()
    assert (table.loc[plans, "executed_mac_ratio"] > 0).all()
    assert set(table.loc[plans[:-1], "detail"]) == {"plan given, on the device"}
    assert set(table["roofline_of"].dropna()) == {"H200 SXM"}
    assert (table.loc[["eager", *plans], "roofline_ms"] > 0).all()
    assert table.loc["MACs 0.5", "roofline_ms"] < table.loc["full", "roofline_ms"]
    assert {"triton", "cuda"} <= set(table.columns)
    assert set(table["threads"]) == {"cuda"}
    assert len(instead_of_a_gpu) >= len(measured.timings)


@pytest.mark.slow
def test_joules_by_the_counter_of_the_gpu(instead_of_a_gpu, monkeypatch):
    class Counter:
        def __init__(self, uuid):
            assert uuid == "GPU-7"

        def energy_of(self, work):
            work()
            return [Reading("gpu", 5.0, "NVML", "measured")]

    monkeypatch.setattr(energy, "Nvml", Counter)
    monkeypatch.setattr(energy.gpu, "nvml_name", lambda: "GPU-7")
    table = measure_energy(SETTING, 1, loop_s=0.1)
    assert set(table["name"]) == {"eager", "MACs 0.5", "MACs 0.3"}
    assert set(table["meter"]) == {"NVML"}
    assert (table["j_per_clip"] == 5.0 / table["clips"]).all()
