"""The study itself: its smoke profile runs every notebook, in a copy that leaves no trace here."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dance_lib.study.graph import plan
from dance_lib.study.manifest import load_manifest
from dance_lib.study.paths import NOTEBOOKS
from tests.study.copied import copy_study

ROOT = Path(__file__).parents[2]
WRITTEN = {file.stem for file in (ROOT / NOTEBOOKS).glob("*.ipynb")}


@pytest.mark.skipif(
    set(load_manifest(ROOT).notebooks) > WRITTEN, reason="not all notebooks are written"
)
def test_the_smoke_profile_runs_every_notebook(tmp_path):
    copy_study(tmp_path)
    command = [sys.executable, "-m", "dance_lib", "reproduce", "--profile", "smoke"]
    batch = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert batch.returncode == 0, batch.stdout + batch.stderr

    jobs = plan(tmp_path, "smoke", {})
    assert {job.notebook for job in jobs} == set(load_manifest(ROOT).notebooks)
    for job in jobs:
        for product in (*job.outputs, job.executed):
            assert (tmp_path / "results" / "smoke" / product).is_file()
    runs = pd.read_csv(tmp_path / "results" / "runs.csv")
    assert len(runs) == runs.run_id.nunique() == len(jobs)
    for file in (tmp_path / "results" / "smoke" / "tables").rglob("*.csv"):
        table = pd.read_csv(file)
        assert table.run_id.isin(runs.run_id).all()
        assert table.kind.notna().all()
