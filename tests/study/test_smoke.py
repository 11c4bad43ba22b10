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
from tests.train.videos import make_videos

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


@pytest.mark.slow
def test_the_folds_of_a_set_of_videos_fan_out(tmp_path):
    """The README's way to real video: a CSV with folds and groups, one run a fold."""
    copy_study(tmp_path)
    videos = make_videos(tmp_path / "videos", 6, frames=8, size=32)
    rows = [
        f"{path.relative_to(videos)},{path.parent.name},{i % 2},{i}"
        for i, path in enumerate(sorted(videos.rglob("*.mp4")))
    ]
    (videos / "labels.csv").write_text("\n".join(["path,label,fold,group", *rows]))
    command = [
        sys.executable, "-m", "dance_lib", "reproduce", "--profile", "smoke", "--name", "own",
        "-p", "dataset=csv", "-p", f"data_root={videos}", "-p", "fold=0,1", "-p", "batch_size=4",
        "-p", "ava=none", "-p", "arm=aap", "-p", "rival=static",
        "--only", "10_table_accuracy_macs", "--only", "15_fig_input_adaptivity",
        "--only", "99_claims",
    ]  # fmt: skip
    batch = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert batch.returncode == 0, batch.stdout + batch.stderr
    tables = tmp_path / "results" / "own" / "tables"
    folds = [pd.read_csv(tables / "03_aap" / f"clips.seed=0.fold={f}.arm=aap.csv") for f in (0, 1)]
    tested = [set(fold["path"]) for fold in folds]
    assert [len(paths) for paths in tested] == [9, 9]
    assert not tested[0] & tested[1]
    row = pd.read_csv(tables / "10_table_accuracy_macs" / "table.csv").set_index("key").loc["aap"]
    assert row["clips"].max() == 18  # every clip once
