import math

import pandas as pd
import pytest

from dance_lib.bench.candidates import Candidate
from dance_lib.bench.latency import fastest, latency_table, summarise


def timings(**columns):
    rows = [(name, i, ms) for name, values in columns.items() for i, ms in enumerate(values)]
    return pd.DataFrame(rows, columns=["name", "round", "ms"])


def test_ratios_are_taken_within_the_round_and_not_between_medians():
    # Medians are 20 and 10, but in most rounds both took as long.
    table = summarise(timings(rival=[10, 20, 30], own=[10, 5, 30]), "rival")
    assert table.loc["own", ["ms", "speedup", "time_ratio"]].tolist() == [10, 1, 1]
    assert table.loc["rival", ["ms", "speedup", "rounds"]].tolist() == [20, 1, 3]


def test_quartiles():
    table = summarise(timings(rival=[8] * 5, own=[1, 2, 4, 8, 16]), "rival")
    assert table.loc["own", ["ms_q25", "ms", "ms_q75"]].tolist() == [2, 4, 8]
    assert table.loc["own", ["speedup_q25", "speedup", "speedup_q75"]].tolist() == [1, 2, 4]


def test_the_fastest_is_that_of_the_least_median():
    times = timings(a=[1, 9, 9], b=[8, 8, 8], c=[1, 1, 1])
    assert fastest(times, ["a", "b"]) == "b"
    assert fastest(times, ["absent"]) is None


def candidates():
    return [
        Candidate("slow", "dense", print, {"ideal_mac_ratio": 1.0}),
        Candidate("quick", "dense", print, {"ideal_mac_ratio": 1.0}),
        Candidate("half", "ours", print, {"ideal_mac_ratio": 0.5}),
        Candidate("stem", "part", print),
        Candidate("gone", "dense", None, {"reason": "it is not installed"}),
    ]


def test_a_row_a_candidate_against_the_fastest_dense_one():
    times = timings(slow=[40, 40], quick=[20, 20], half=[16, 16], stem=[5, 5])
    table = latency_table(candidates(), times, batch=4).set_index("name")
    assert set(table["rival"]) == {"quick"}
    assert table.loc["half", ["speedup", "efficiency", "ms_per_clip"]].tolist() == [1.25, 0.625, 4]
    assert table.loc["slow", ["speedup", "efficiency"]].tolist() == [0.5, 0.5]
    assert table.loc["stem", "time_ratio"] == 0.25
    assert math.isnan(table.loc["stem", "efficiency"])


def test_what_was_not_timed_says_why_and_has_no_number():
    times = timings(slow=[40], quick=[20], half=[16], stem=[5])
    row = latency_table(candidates(), times, batch=1).set_index("name").loc["gone"]
    assert (row["kind"], row["reason"]) == ("not tested", "it is not installed")
    assert row[["ms", "speedup", "efficiency", "rounds"]].isna().all()


def test_without_a_dense_engine_there_are_times_and_no_ratios():
    ours = [Candidate("half", "ours", print, {"ideal_mac_ratio": 0.5})]
    row = latency_table(ours, timings(half=[16]), batch=1).iloc[0]
    assert row["ms"] == 16
    assert row["rival"] is None
    assert row[["speedup", "efficiency", "time_ratio"]].isna().all()


@pytest.mark.parametrize("kind", ["measured", "not tested"])
def test_every_row_says_its_kind(kind):
    times = timings(slow=[40], quick=[20], half=[16], stem=[5])
    table = latency_table(candidates(), times, batch=1)
    assert (table["kind"] == kind).sum() == {"measured": 4, "not tested": 1}[kind]
