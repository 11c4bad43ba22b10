"""The parts of training: that each is there, and divided by the clips it handles."""

import pandas as pd
import pytest

from dance_lib.bench import training


@pytest.fixture
def quick(monkeypatch):
    """Small clips, a short video."""
    monkeypatch.setattr(training, "SHAPE", (3, 4, 32, 32))
    monkeypatch.setattr(training, "VIDEO", (25, 64, 80))
    monkeypatch.setattr(training, "MODEL", "r2plus1d_narrow")


def test_a_row_a_part(quick):
    table = training.measure(rounds=2)
    assert table["name"].tolist() == ["decode", "read", "augment", "forward", "step"]
    assert set(table["kind"]) == {"measured"}
    assert (table["ms_q25"] <= table["ms_per_clip"]).all()
    assert (table["ms_per_clip"] <= table["ms_q75"]).all()
    ms = table.set_index("name")["ms_per_clip"]
    assert ms["step"] > ms["forward"] > 0
    assert table[["commit", "device", "date", "dirty"]].notna().all(axis=None)


def test_times_are_of_a_clip(quick, monkeypatch):
    """16 ms a call: of one video, 32 clips, 2 clips."""

    def took(runs, rounds, **_):
        return pd.DataFrame([(name, k, 16.0) for name in runs for k in range(rounds)],
                            columns=["name", "round", "ms"])  # fmt: skip

    monkeypatch.setattr(training, "interleave", took)
    table = training.measure(rounds=3).set_index("name")
    assert table["ms_per_clip"].tolist() == [16, 0.5, 0.5, 8, 8]
    assert table["rounds"].tolist() == [24, 24, 24, 3, 3]
