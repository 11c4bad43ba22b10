"""`dance reproduce` on the made study, every batch in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import dance_lib
from dance_lib.study.alone import running_jobs


def started(said):
    """The jobs that a batch started, or would start."""
    lines = [line.removeprefix("would ") for line in said.splitlines()]
    return {line.split()[1] for line in lines if line.startswith("start ")}


def is_sleep(process):
    return process.cmdline()[:1] == ["sleep"]


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return result


def test_a_batch_makes_everything_and_then_has_nothing_to_do(made):
    said = made.reproduce()
    assert started(said) == {
        "01_make.seed=0",
        "02_add.seed=0.way=none",
        "02_add.seed=0.way=cv",
        "10_show",
    }
    assert said.endswith("open results/small/notebooks/10_show.ipynb\n")
    sums = pd.read_csv(made.run_folder / "tables/02_add/sums.seed=0.way=cv.csv")
    assert sums.value.tolist() == [0 * 1.5 + len("cv")]
    runs = pd.read_csv(made.root / "results" / "runs.csv")
    assert len(runs) == runs.run_id.nunique() == 4
    assert sums.run_id.isin(runs.run_id).all()

    # Other dates and a commit are no changes.
    for file in made.root.rglob("*"):
        if file.suffix in (".ipynb", ".csv") and file.is_file():
            file.touch()
    commit = "git init -q && git add -A && git -c user.name=a -c user.email=b commit -qm c"
    subprocess.run(commit, shell=True, check=True, cwd=made.root)
    said = made.reproduce()
    assert "nothing to do" in said
    assert not started(said)

    # Another seed is more jobs, and the notebook that gathers runs again.
    said = made.reproduce("-p", "seed=0,1", "--dry-run")
    assert started(said) == {
        "01_make.seed=1",
        "02_add.seed=1.way=none",
        "02_add.seed=1.way=cv",
        "10_show",
    }
    assert not (made.run_folder / "tables/01_make/values.seed=1.csv").exists()


def test_a_change_runs_what_it_reaches_and_nothing_else(made):
    made.profile.write_text("description: d\nparameters: {seed: 0, way: cv}\n")
    made.reproduce("--only", "02_add")
    said = made.reproduce("--only", "02_add", "--dry-run", "--force")
    assert started(said) == {"02_add.seed=0.way=cv"}

    made.insert("02_add", "pass")
    said = made.reproduce("--only", "02_add", "--dry-run")
    assert "would start 02_add.seed=0.way=cv (changed: 02_add.ipynb)" in said
    assert "01_make" not in said

    # A product that was changed by hand is an input that changed.
    table = made.run_folder / "tables/01_make/values.seed=0.csv"
    table.write_text(table.read_text() + "1,measured,by hand\n")
    said = made.reproduce("--only", "02_add", "--dry-run")
    assert "would start 02_add.seed=0.way=cv (changed: 02_add.ipynb, values.seed=0.csv)" in said

    made.profile.write_text("description: d\nparameters: {seed: 0, way: cv, epochs: 5}\n")
    said = made.reproduce("--only", "01_make", "--dry-run")
    assert "would start 01_make.seed=0 (other parameters)" in said


def test_a_file_outside_the_run_folder_need_not_be_there_and_counts_when_it_is(made):
    text = made.manifest.read_text()
    made.manifest.write_text(text.replace("title: Make", "reads: [times.csv]\n    title: Make"))
    made.reproduce("--only", "01_make")
    assert "nothing to do" in made.reproduce("--only", "01_make", "--dry-run")

    (made.root / "times.csv").write_text("ms\n1\n")
    said = made.reproduce("--only", "01_make", "--dry-run")
    assert "would start 01_make.seed=0 (changed: times.csv)" in said


@pytest.mark.slow
def test_a_change_in_the_library_runs_the_notebooks_that_reach_it(made, tmp_path):
    library = tmp_path / "library"
    shutil.copytree(Path(dance_lib.__file__).parent, library / "dance_lib")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PYTHONPATH": str(library), "PATH": path}
    made.reproduce("--only", "01_make", env=environment)

    unused = library / "dance_lib" / "study" / "progress.py"
    unused.write_text(unused.read_text() + "# changed\n")
    said = made.reproduce("--only", "01_make", "--dry-run", env=environment)
    assert started(said) == set()

    used = library / "dance_lib" / "atomic.py"
    used.write_text(used.read_text() + "# changed\n")
    said = made.reproduce("--only", "01_make", "--dry-run", env=environment)
    assert "would start 01_make.seed=0 (changed: atomic.py)" in said


def test_a_failure_is_named_and_kept_and_stops_nothing_else(made):
    made.insert("02_add", 'if way == "cv":\n    raise ValueError("boom")')
    said = made.reproduce(status=1)
    assert 'error: 02_add.seed=0.way=cv: cell In [5] `if way == "cv":` failed: Val' in said
    assert "FAILED  02_add.seed=0.way=cv" in said
    assert said.endswith(
        "kept up to the failing cell:\n  results/small/notebooks/02_add.seed=0.way=cv.ipynb\n"
    )
    assert (made.run_folder / "notebooks/02_add.seed=0.way=cv.ipynb").is_file()
    assert (made.run_folder / "tables/02_add/sums.seed=0.way=none.csv").is_file()
    assert not (made.run_folder / "tables/02_add/sums.seed=0.way=cv.csv").exists()
    assert len(pd.read_csv(made.root / "results" / "runs.csv")) == 2


def test_a_job_that_is_tried_again_and_comes_to_its_end_has_not_failed(made, tmp_path):
    mark = tmp_path / "tried"
    made.insert(
        "01_make",
        f"from pathlib import Path\n\nif not Path({str(mark)!r}).exists():\n"
        f"    Path({str(mark)!r}).touch()\n    raise ValueError('boom')",
    )
    place = tmp_path / "place.yaml"
    place.write_text("retries: 1\n")
    said = made.reproduce("--only", "01_make", "--workflow-profile", str(place))
    assert "FAILED  01_make.seed=0" in said
    assert "1 job done" in said


def test_a_killed_batch_ends_its_jobs_and_is_resumed_without_orphans(made):
    hold = made.root / "notebooks" / "hold"
    hold.touch()
    waits = f'while Path("{hold}").exists():\n    time.sleep(0.1)'
    helper = 'Popen(["sleep", "600"], stdout=-3, stderr=-3)'  # outlives the kernel it works for
    imports = "import time\nfrom pathlib import Path\nfrom subprocess import Popen"
    made.insert("02_add", f"{imports}\n\n{helper}\n{waits}")
    made.profile.write_text("description: d\nparameters: {seed: 0, way: cv}")
    batch = made.start("--only", "02_add")
    worker = wait_for(lambda: [job for job in running_jobs(made.run_folder) if is_sleep(job)])

    said = made.reproduce("--only", "02_add", status=2)
    assert f"error: another batch (process {batch.pid}) is at work in" in said.splitlines()[-1]

    batch.kill()
    batch.communicate()
    wait_for(lambda: running_jobs(made.run_folder) == worker, seconds=20)
    again = made.start("--only", "02_add")
    wait_for(lambda: not worker[0].is_running())
    hold.unlink()
    said, _ = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert started(said) == {"02_add.seed=0.way=cv"}
    assert len(pd.read_csv(made.run_folder / "tables/02_add/sums.seed=0.way=cv.csv")) == 1
    assert not list((made.run_folder / "notebooks").glob(".*"))
    for process in running_jobs(made.run_folder):  # the second helper
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--only", "02_ad"],
            "error: unknown notebook '02_ad'; there are: 01_make, 02_add, 10_show",
        ),
        (["-p", "sed=1"], "error: unknown parameter 'sed'; there are: "),
    ],
)
def test_a_mistake_is_one_line_and_status_two(made, arguments, complaint):
    said = made.reproduce(*arguments, status=2)
    assert said.startswith(complaint)
    assert said.count("\n") == 1
    assert not made.run_folder.exists()


def test_a_job_that_is_killed_is_told_with_its_signal(made):
    made.insert("01_make", "import os\n\nos.kill(os.getppid(), 9)")  # what runs the notebook
    said = made.reproduce("--only", "01_make", status=1)
    failed = next(line for line in said.splitlines() if line.startswith("FAILED"))
    assert re.fullmatch(
        r"FAILED  01_make.seed=0 after \d+ s: killed by signal 9; probably for want of memory: "
        r"run fewer jobs at once \(--cores 1\), or smaller batches \(-p batch_size=...\)",
        failed,
    )
    assert re.search(r"1 job of 1 failed \(\d+ s\)$", said.rstrip())  # no copy, so none is named


@pytest.mark.slow
def test_an_interrupted_batch_ends_its_jobs_and_says_how_to_go_on(made):
    made.insert("01_make", "import time\n\ntime.sleep(600)")
    batch = made.start("--only", "01_make")
    wait_for(lambda: running_jobs(made.run_folder))
    batch.terminate()
    said, _ = batch.communicate(timeout=600)
    assert batch.returncode == 2
    assert said.endswith("error: interrupted; the same command goes on where it stopped\n")
    assert not running_jobs(made.run_folder)
