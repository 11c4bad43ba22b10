"""Tables of a codebook, by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dance_lib.analysis import codebook
from dance_lib.analysis.codebook import CODES, FREE, TUNED
from dance_lib.bench.deployed import SPARSE

PATHS = [f"{i}.mp4" for i in range(10)]


def clips(plans, right, ratio, codes=None, seed=0):
    """Ten clips, of which the first so many are right."""
    rows = pd.DataFrame(
        {"path": PATHS, "seed": seed, "fold": "own", "plans": plans, "mac_ratio": ratio,
         "correct": [int(i < right) for i in range(10)]}
    )  # fmt: skip
    return rows if codes is None else rows.assign(codes=codes)


@pytest.fixture
def accuracy():
    parts = [
        clips(plans, right, ratio, codes)
        for codes in (1, 4)
        for plans, right, ratio in (
            (FREE, 9, 0.5), (CODES, 3 + codes, 0.52), (TUNED, 4 + codes, 0.51)
        )
    ]  # fmt: skip
    return codebook.accuracy_table(pd.concat(parts), clips("dense", 10, 1.0))


@pytest.fixture
def speed():
    rows = []
    for index in range(20):
        for form, engine, ms in (
            ("dense", "ONNX Runtime", 6.0), ("dense", "OpenVINO", 4.0),
            ("codebook", "ONNX Runtime", 3.0), ("codebook", "OpenVINO", 2.0 if index % 2 else 3.0),
            ("free plan", SPARSE, 8.0),
        ):  # fmt: skip
            hiccup = 100.0 if index == 7 and engine == "OpenVINO" else 0.0
            rows.append(
                {"codes": 4, "seed": 0, "form": form, "engine": engine, "round": index,
                 "ms": ms + hiccup}
            )  # fmt: skip
    loads = pd.DataFrame(
        {"codes": 4, "form": ["codebook"], "engine": ["OpenVINO"], "load_s": [0.5],
         "memory_mib": [90.0], "file_mib": [1.5]}
    )  # fmt: skip
    return codebook.speed_table(pd.DataFrame(rows), loads)


def test_accuracy_stands_beside_free_plans(accuracy):
    assert accuracy[["plans", "codes"]].to_numpy().tolist() == [
        ["dense", 0], [FREE, 0], [CODES, 1], [CODES, 4], [TUNED, 1], [TUNED, 4]
    ]  # fmt: skip
    assert accuracy["accuracy"].tolist() == pytest.approx([1, 0.9, 0.4, 0.7, 0.5, 0.8])
    assert accuracy["over_free"].tolist() == pytest.approx([0.1, 0, -0.5, -0.2, -0.4, -0.1])
    assert accuracy["mac_ratio"].tolist() == pytest.approx([1, 0.5, 0.52, 0.52, 0.51, 0.51])
    assert set(accuracy["clips"]) == {10}  # free plans, which every number of codes has, count once


def test_speed_is_over_the_fastest_dense_form(speed):
    rows = speed.set_index(["form", "engine"])
    assert set(speed["dense_engine"]) == {"OpenVINO"}
    assert rows.loc[("dense", "OpenVINO"), "ms"] == pytest.approx(4.0)  # a hiccup is cut off
    assert rows.loc[("dense", "ONNX Runtime"), "speedup"] == pytest.approx(4 / 6)
    # OpenVINO's 2, 3 and one 102: of the 16 in the middle are 9 - 2 = 7 of 2 and 10 - 1 = 9 of 3.
    assert rows.loc[("codebook", "OpenVINO"), "ms"] == pytest.approx((7 * 2 + 9 * 3) / 16)
    assert rows.loc[("codebook", "OpenVINO"), "speedup"] == pytest.approx(4 / (41 / 16))
    low, high = rows.loc[("codebook", "OpenVINO"), ["speedup_low", "speedup_high"]]
    assert low < 4 / (41 / 16) < high
    assert rows.loc[("codebook", "OpenVINO"), "memory_mib"] == 90
    assert np.isnan(rows.loc[("dense", "OpenVINO"), "load_s"])


def test_the_answer_names_the_fastest_engine(accuracy, speed):
    told = codebook.answer(accuracy, speed)
    assert "by the number of static networks: 1 -40.0 [" in told
    assert ", 4 -10.0 [" in told
    assert "by the number of networks: 4 **1.56×** [" in told
    assert "(OpenVINO); free plans in our own executor 0.50 to 0.50×." in told
    assert codebook.speed_answer(speed[speed["form"] == "dense"]) == ""


def test_one_code_that_does_as_well_is_said(speed):
    parts = [clips(plans, right, 0.5, codes) for codes, tuned in ((1, 9), (4, 8))
             for plans, right in ((FREE, 9), (CODES, 5), (TUNED, tuned))]  # fmt: skip
    table = codebook.accuracy_table(pd.concat(parts), clips("dense", 10, 1.0))
    assert "choosing among several gains anything is not shown" in codebook.answer(table, speed)


def test_a_run_tells_all_three(accuracy):
    rows = pd.concat([clips(FREE, 9, 0.5), clips(CODES, 5, 0.52), clips(TUNED, 8, 0.51)])
    told = codebook.run_answer(4, rows)
    assert told.startswith("4 codes on 10 clips")
    assert f"{FREE} 90.0 % at 0.50, {CODES} 50.0 % at 0.52, {TUNED} 80.0 % at 0.51" in told


def test_the_figure_shows_every_form(accuracy, speed):
    drawn = codebook.figure(accuracy, speed)
    left, right = drawn.axes
    assert [t.get_text() for t in left.get_legend().get_texts()] == [TUNED, CODES]
    assert len(right.get_legend().get_texts()) == 3
    assert [t.get_text() for t in right.get_xticklabels()] == ["4"]
    plt.close(drawn)
