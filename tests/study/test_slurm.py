"""The batch by Slurm: a controller and two nodes on this machine, and the shipped profile."""

import signal
import time

import pandas as pd
import pytest
import yaml

from tests.study.slurm import NODES, ROOT, slurm  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
HASTE = {
    "seconds-between-status-checks": 1,
    "slurm-init-seconds-before-status-checks": 1,
    "latency-wait": 5,
    "slurm-status-command": "squeue",  # this cluster keeps no accounts
}


@pytest.fixture
def profile(tmp_path):
    """The profile that is shipped, in a hurry."""
    shipped = yaml.safe_load((ROOT / "env" / "slurm.yaml").read_text())
    file = tmp_path / "slurm.yaml"
    file.write_text(yaml.safe_dump(shipped | HASTE))
    return file


def test_the_batch_runs_unchanged(made, slurm, profile):  # noqa: F811
    by_slurm = ("--workflow-profile", str(profile))
    made.reproduce("--name", "here")
    said = made.reproduce("--name", "there", *by_slurm, env=slurm.environment)
    assert "4 jobs to run in results/there, by slurm, up to 100 at a time" in said
    assert said.endswith("open results/there/notebooks/10_show.ipynb\n")

    jobs = [job for job in slurm.jobs() if job["WorkDir"].startswith(str(made.root))]
    assert [job["JobState"] for job in jobs] == ["COMPLETED"] * 4
    assert {job["NodeList"] for job in jobs} == set(NODES)  # the two of 02_add side by side
    here, there = (
        sorted((made.root / "results" / name / "tables").rglob("*.csv"))
        for name in ("here", "there")
    )
    assert len(here) == 3
    for one, other in zip(here, there, strict=True):
        same = [pd.read_csv(table).drop(columns="run_id") for table in (one, other)]
        pd.testing.assert_frame_equal(*same, check_exact=True)

    said = made.reproduce("--name", "there", *by_slurm, env=slurm.environment)
    assert "nothing to do, everything is up to date" in said
    # What one place has made is up to date in the other.
    assert "nothing to do" in made.reproduce("--name", "there")


def test_a_job_that_fails_elsewhere_leaves_its_notebook_and_log(made, slurm, profile):  # noqa: F811
    made.insert("02_add", 'assert way != "cv", "cv is not there"')
    said = made.reproduce("--workflow-profile", str(profile), status=1, env=slurm.environment)
    (line,) = [line for line in said.splitlines() if line.startswith("FAILED")]
    log = line.rpartition("; see ")[2]
    assert "AssertionError: cv is not there" in (made.root / log).read_text()
    assert said.endswith("  results/small/notebooks/02_add.seed=0.way=cv.ipynb\n")
    assert (made.run_folder / "tables/02_add/sums.seed=0.way=none.csv").is_file()


def test_a_batch_that_is_ended_takes_its_jobs_back(made, slurm, profile):  # noqa: F811
    made.insert("01_make", "import time; time.sleep(600)")
    batch = made.start("--workflow-profile", str(profile), env=slurm.environment)

    def states():
        of_this = [job for job in slurm.jobs() if job.get("WorkDir", "").startswith(str(made.root))]
        return [job["JobState"] for job in of_this]

    _wait_for(lambda: states() == ["RUNNING"])
    batch.send_signal(signal.SIGTERM)
    said, _ = batch.communicate(timeout=120)
    assert batch.returncode == 2, said
    assert said.endswith("error: interrupted; the same command goes on where it stopped\n")
    _wait_for(lambda: states() == ["CANCELLED"])


def _wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.5)
