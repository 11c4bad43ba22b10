"""One setting through all steps, with PyTorch eager as the only dense engine."""

import pytest
import torch

import dance_lib as dance
from dance_lib.bench import measure as module
from dance_lib.bench.candidates import Candidate
from dance_lib.bench.measure import measure
from dance_lib.bench.network import open_network
from dance_lib.bench.ours import PLANNING, ratios
from dance_lib.bench.plans import timed_plans
from dance_lib.bench.setting import choose_settings
from dance_lib.checkpoint import save


@pytest.fixture(scope="module")
def asked():
    """With which engine and ratios the static rivals were asked for."""
    return {}


@pytest.fixture(scope="module")
def measured(setting, asked):
    def stands_in(net, clip, threads, precision, engine, ratios):
        asked.update(engine=engine, ratios=list(ratios))
        return [Candidate("pruned @ 0.50", "pruned", None, {"reason": "a stand-in"})]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "static_candidates", stands_in)
        return measure(setting, threads=1)


def test_every_candidate_is_a_row_and_every_run_too(setting, measured):
    table = measured.latency.set_index("name")
    assert list(table.index) == [
        "eager", "full", "frames 0.5", "channels 0.5", "features 0.5", "all 0.5", "mixed",
        "controller", "stem", PLANNING, "pruned @ 0.50",
    ]  # fmt: skip
    timed = table[table["kind"] == "measured"]
    assert list(timed.index) == list(table.index[:-1])
    assert sorted(measured.timings["name"]) == sorted([*timed.index] * setting.rounds)
    assert set(measured.timings["kind"]) == {"measured"}
    assert table.loc["pruned @ 0.50", "reason"] == "a stand-in"
    assert table.loc["controller", "plan"] == "untrained controller"
    assert (timed.loc["full":"controller", "relative_error"] < 1e-3).all()
    assert (timed.loc["full":"controller", "executed_mac_ratio"] > 0).all()


def test_static_rivals_run_in_the_fastest_engine_at_the_ratios_of_our_plans(measured, asked):
    ours = measured.latency[measured.latency["group"] == "ours"]
    assert asked == {"engine": "eager", "ratios": ours["ideal_mac_ratio"].tolist()}


def test_every_row_says_where_it_comes_from(measured):
    same = {"model": "r2plus1d_narrow", "clip_shape": "3x6x32x32", "precision": "float32",
            "threads": "one", "batch": 2, "cores": 1, "seed": 0, "clip": "noise"}  # fmt: skip
    for table in (measured.timings, measured.latency):
        for column, value in same.items():
            assert set(table[column]) == {value}
        for column in ("commit", "device", "torch", "onnxruntime", "openvino", "date"):
            assert table[column].notna().all()
            assert table[column].nunique() == 1


def test_ratios_are_of_the_whole_network_controller_included(setting):
    net = open_network(setting)
    full = timed_plans(net, torch.zeros(setting.batch, *setting.clip_shape))[0]
    found = ratios(net, full)
    # A full plan's ideal MACs are the dense ones, and the controller's on top.
    assert found["ideal_mac_ratio"] == 1 + net.controller.macs / net.structure.dense_macs
    assert found["ideal_byte_ratio"] > 1
    assert "executed_mac_ratio" not in found  # what an executor did, a network does not know


@pytest.fixture
def two(tmp_path):
    """Two checkpoints of one model; the second closes one branch."""
    paths = []
    for name in ("half", "third"):
        torch.manual_seed(1)
        shape = (3, 4, 16, 16)
        net = dance.Dance(dance.create_model("r2plus1d_narrow", 9, shape), shape)
        if name == "third":
            with torch.no_grad():
                net.controller.frame_logits.bias.copy_(torch.tensor([-1e9, 9.0, 9.0]))
        paths.append(save(net, tmp_path / f"{name}.safetensors"))
    return paths


def test_controllers_of_several_checkpoints_stand_side_by_side(two):
    (setting,) = choose_settings(
        checkpoints=two, precisions=["float32"], threads=["one"], batches=[1], engines=["eager"],
        rounds=1, quick=True, static=False,
    )  # fmt: skip
    found, _ = module.make_candidates(setting, threads=1)
    facts = {c.name: c.facts for c in found}
    assert facts["controller third"]["plan"] == "controller"  # its biases have moved
    ratio = "ideal_mac_ratio"
    assert facts["controller third"][ratio] < facts["controller"][ratio]
    assert facts["controller third"]["relative_error"] < 1e-3
