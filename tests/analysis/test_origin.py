"""Where tables come from, in a line and in tables."""

import pandas as pd

from dance_lib.analysis import origin

RUNS = pd.DataFrame(
    {
        "notebook": ["03_aap", "03_aap", "01_dense"],
        "commit": ["a" * 40, "a" * 40, "b" * 40],
        "dirty": False, "seed": 0, "device": "cpu", "threads": 1,
        "duration_s": [60.0, 120.0, 3600.0], "peak_memory_mb": 1.0,
        "parameters": ['{"arm": "aap", "ava": "none"}', '{"rival": "narrow", "arm": "aap"}',
                       '{"arm": ["aap", "dance"]}'],
    }
)  # fmt: skip


def test_reference_tables_are_labelled_so(monkeypatch):
    monkeypatch.setattr(origin.study, "runs", lambda _: RUNS)
    own = origin.of_tables("results/x", None)
    assert "made by this batch (3 runs of commit aaaaaaaa, bbbbbbbb)" in own
    kept = origin.of_tables("results/reference/full", "results/reference/full")
    assert kept.startswith("**Reference tables**, committed in `results/reference/full`")


def test_times_by_hand(monkeypatch):
    monkeypatch.setattr(origin.study, "runs", lambda _: RUNS)
    times = origin.stage_times("results/x").set_index("notebook")
    assert times.loc["03_aap"].tolist() == [2, 1.5, 2.0, 0.05]
    assert times.loc["01_dense", "hours, all"] == 1.0
    runs = origin.runs_table("results/x")
    assert runs["commit"].tolist() == ["a" * 8, "a" * 8, "b" * 8]
    assert runs["files changed"].tolist() == ["none"] * 3
    assert runs["of"].tolist() == ["aap", "narrow", ""]
