"""The model of many GPUs, by hand; and the page that shows it, as it is committed."""

from pathlib import Path

import pandas as pd
import pytest

from dance_lib import Dance
from dance_lib.analysis import scaling
from dance_lib.analysis.scaling import Figure, cost, decoding_hours, disk, forward, step, stops_at
from dance_lib.analysis.scaling_page import page
from dance_lib.bench.gpu import GPUS
from tests.networks import TwoBlocks

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"

NUMBERS = {
    "training clips": 3_600, "validation clips": 400, "a video": 0.5, "a decoded clip": 0.25,
    "batch": 4, "dense epochs": 2, "dense step": 1, "ava epochs": 0, "ava step": 1,
    "controller epochs": 0, "controller step": 1, "joint epochs": 1, "joint step": 1.5,
    "gradients": 90, "norms": 10, "decode": 36, "read": 2, "augment": 3, "step": 3,
    "forward, float32": 10, "forward, float16": 2, "power of a GPU": 500,
    "link in a node": 45, "link between nodes": 9, "a message": 0.1, "cores a GPU": 4,
}  # fmt: skip
GIVEN = {name: Figure(value, "", "estimated", "made up") for name, value in NUMBERS.items()}


def test_a_step_by_hand():
    alone = step(GIVEN, 1, 4, "float32")
    assert (alone.compute, alone.host, alone.gradients, alone.norms) == (120, 20, 0, 0)
    near = step(GIVEN, 2, 2, "float16", cost=1.5)
    assert (near.compute, near.host) == (18, 10)
    assert near.gradients == 2 * 0.5 * 90 / 45  # MB over GB/s are ms
    assert near.norms == 2 * 10 * 0.1
    assert near.total == 18 + 10 + 2 + 2
    assert step(GIVEN, 10, 1, "float32").gradients == pytest.approx(2 * 0.9 * 90 / 9)


def test_the_cost_of_the_recipe_by_hand():
    """900 steps an epoch: two of 140 ms, one of 200; and 8,000 forwards of 10 + 2 ms."""
    found = cost(GIVEN, 1, 4, "float32")
    seconds = 900 * (2 * 0.14 + 0.2) + 8_000 * 0.012
    assert found.hours == pytest.approx(seconds / 3600)
    assert found.megajoules == pytest.approx(500 * seconds / 1e6)
    assert found.efficiency == 1
    # Two GPUs with two clips each: 60 + 10 + 2 + 2 and 90 + 10 + 2 + 2 ms.
    shared = 900 * (2 * 0.074 + 0.104) + 4_000 * 0.012
    two = cost(GIVEN, 2, 2, "float32")
    assert two.hours == pytest.approx(shared / 3600)
    assert two.megajoules == pytest.approx(2 * 500 * shared / 1e6)
    assert two.efficiency == pytest.approx(seconds / (2 * shared))


def test_the_table_ends_where_a_gpu_has_no_clip():
    costs = scaling.table(GIVEN)
    recipe = costs[costs["batches"] == "recipe"]
    assert recipe.groupby("precision")["gpus"].max().tolist() == [4, 4]
    assert (recipe["gpus"] * recipe["batch"] == 4).all()
    grown = costs[costs["batches"] == "grown"]
    assert grown["gpus"].max() == 1024
    assert set(grown["batch"]) == {4}
    assert set(costs["kind"]) == {"modelled"}


def test_where_it_stops():
    rows = {"precision": "float32", "batches": "recipe", "gpus": [1, 2, 4],
            "efficiency": [1.0, 0.5, 0.3]}  # fmt: skip
    costs = pd.DataFrame(rows)
    assert stops_at(costs, "float32", "recipe") == 4
    assert stops_at(costs, "float32", "recipe", least=0.2) is None


def test_disk_and_decoding_by_hand():
    """4,000 videos of 0.5 MB; 4,000 × 36 ms are 144 s, by 4 cores a GPU and 8 GPUs at most."""
    assert disk(GIVEN) == {"a video": 2.0, "a decoded clip": 1.0}
    assert decoding_hours(GIVEN, 1) == pytest.approx(36 / 3600)
    assert decoding_hours(GIVEN, 8) == decoding_hours(GIVEN, 64) == pytest.approx(4.5 / 3600)


# ------------------------------------------------------------------ the forward
ROW = {"name": "channels_last", "kind": "measured", "model": "r2plus1d_18",
       "clip_shape": "3x16x112x112", "precision": "float32", "threads": "cuda", "batch": 1,
       "ms_per_clip": 9.0, "device": "some GPU"}  # fmt: skip


def test_a_forward_is_measured_where_the_bench_has_rows_of_a_gpu():
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    others = [ROW | {"batch": 8, "ms_per_clip": 4.0}, ROW | {"threads": "one", "batch": 16},
              ROW | {"precision": "bfloat16", "batch": 16}, ROW | {"name": "ours", "batch": 16},
              ROW | {"name": "eager", "batch": 16},  # in another layout than training
              ROW | {"kind": "not tested", "batch": 16}]  # fmt: skip
    found = forward(net, pd.DataFrame([ROW, *others]), scaling.GPU, "float32")
    assert (found.value, found.kind) == (4.0, "measured")
    assert "batch 8, some GPU" in found.source
    half = forward(net, pd.DataFrame([ROW, *others]), scaling.GPU, "float16")
    assert half.value == 9.0  # that of bfloat16


def test_the_gpu_is_the_one_that_was_measured():
    known = next(name for name, gpu in GPUS.items() if gpu is not scaling.GPU)
    assert scaling.gpu_of(pd.DataFrame([ROW])) is scaling.GPU
    assert scaling.gpu_of(pd.DataFrame([ROW, ROW | {"device": known}])) is GPUS[known]
    processor = ROW | {"device": known, "threads": "one"}
    assert scaling.gpu_of(pd.DataFrame([processor])) is scaling.GPU


def test_without_them_it_is_the_roofline():
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    found = forward(net, pd.DataFrame([ROW | {"threads": "one"}]), scaling.GPU, "float32")
    assert found.kind == "modelled"
    least = net.structure.dense_macs / scaling.GPU.float32_gmacs / 1e6
    assert found.value >= least


# ------------------------------------------------------------------ the page
@pytest.fixture(scope="module")
def given():
    return scaling.figures(REFERENCE)


def test_every_figure_has_a_kind_and_a_source(given):
    assert set(NUMBERS) <= set(given)
    for figure in given.values():
        assert figure.kind in ("measured", "counted", "modelled", "estimated")
        assert figure.source
        assert figure.value > 0
    assert given["MACs"].value == pytest.approx(40.52, abs=0.01)
    assert given["gradients"].value == pytest.approx(4 * 31.5, rel=2e-3)


def test_the_page_is_the_one_that_these_figures_give(given):
    """Else: python -m dance_lib.analysis.scaling_page results/reference > SCALING.md."""
    assert (ROOT / "SCALING.md").read_text(encoding="utf-8") == page(given)


def test_the_page_speaks_of_the_batch_it_is_given():
    text = page(GIVEN)
    assert "| batch 4, divided |" in text
    assert "| 4 clips on each GPU |" in text
    assert "32 clips" not in text
