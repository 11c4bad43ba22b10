"""The committed tables: every row has its kind, and a run that says how it was made."""

from pathlib import Path

import pandas as pd
import pytest

from dance_lib.analysis.claims import judge, load_claims
from dance_lib.bench import speed_targets
from dance_lib.study import KINDS

ROOT = Path(__file__).parents[2] / "results"
SETS = sorted(path.parent for path in (ROOT / "reference").glob("*/runs.csv"))
TABLES = [(folder, table) for folder in SETS for table in sorted(folder.glob("tables/*/*.csv"))]

BENCH = sorted((ROOT / "reference" / "bench").glob("*.csv"))


def read(path):
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


@pytest.mark.parametrize(("folder", "path"), TABLES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_row_has_kind_and_run(folder, path):
    table = read(path)
    assert set(table["kind"]) <= set(KINDS)
    runs = read(folder / "runs.csv").set_index("run_id")
    assert set(table["run_id"]) <= set(runs.index)


@pytest.mark.parametrize("folder", SETS, ids=lambda p: p.name)
def test_runs_name_commit_device_and_versions(folder):
    runs = read(folder / "runs.csv")
    assert runs["dirty"].isin([True, False]).all()
    assert runs["commit"].str.fullmatch("[0-9a-f]{40}").all()
    assert runs[["device", "threads", "torch", "instruction_set"]].notna().all(axis=None)


@pytest.mark.parametrize("folder", SETS, ids=lambda p: p.name)
def test_verdicts_follow_from_the_committed_tables(folder):
    def gather(notebook, table):
        parts = []
        for path in sorted((folder / "tables" / notebook).glob(f"{table}.*.csv")):
            values = dict(part.split("=") for part in path.stem.split(".")[1:])
            parts.append(read(path).assign(**values))
        return pd.concat(parts, ignore_index=True)

    tables = {
        "dense": gather("01_dense", "clips"),
        "aap": gather("03_aap", "clips"),
        "variability": gather("02_ava", "variability"),
    }
    written = read(folder / "tables" / "99_claims" / "verdicts.csv").set_index("id")
    again = judge(load_claims(ROOT / "paper" / "claims.yaml"), tables, seeds=1).set_index("id")
    assert written["verdict"].to_dict() == again["verdict"].to_dict()
    for column in ("low", "estimate", "high"):
        pd.testing.assert_series_equal(written[column], again[column], rtol=1e-9)


@pytest.mark.parametrize("path", BENCH, ids=lambda p: p.stem)
def test_rows_of_the_bench_have_kind_and_origin(path):
    table = read(path)
    assert set(table["kind"]) <= {"measured", "not tested"}
    measured = table[table["kind"] == "measured"]
    assert measured["commit"].str.fullmatch("[0-9a-f]{40}").all()
    assert measured[["device", "date", "dirty"]].notna().all(axis=None)


@pytest.mark.skipif(not BENCH, reason="no tables of the bench are committed")
def test_verdicts_on_speed_follow_from_the_committed_times():
    folder = ROOT / "reference" / "bench"
    again = speed_targets.judge(read(folder / "latency.csv"))
    assert read(folder / "targets.csv")["verdict"].tolist() == again["verdict"].tolist()
