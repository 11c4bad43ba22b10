"""A batch that is killed again and again ends with the tables of one that never was."""

import random
import shutil
import time
from contextlib import suppress
from functools import partial

import psutil
import pytest

from dance_lib.study.alone import running_jobs
from tests.torture.real_study import RealStudy, jobs_of, same, tables

pytestmark = pytest.mark.torture
KILLS = 20


class Batch:
    """A batch at work, watched from outside."""

    def __init__(self, study, name):
        self.study, self.folder = study, study.root / "results" / name
        self.log = study.root / "said.txt"
        with self.log.open("w") as said:
            self.process = study.start("--name", name, stdout=said)
        self.begun = psutil.Process(self.process.pid).create_time()

    def jobs(self, word):
        """What `jobs_of` finds in what was said up to now."""
        return jobs_of(word, self.log.read_text())

    def is_writing(self):
        """Whether a file is half written; an executed notebook always is and does not count."""
        partials = (*self.folder.glob("*/.*.partial.*"), *self.folder.glob("*/*/.*.partial.*"))
        half = [file for file in partials if file.parent.name != "notebooks"]
        return bool(half or list(self.study.root.glob("data/*.unfinished")))

    def orphans(self):
        """Jobs of an earlier batch that still run."""
        return [job for job in running_jobs(self.folder) if job.create_time() < self.begun]

    def kill(self, *, all_at_once):
        """SIGKILL: the batch alone, or as in a power cut all that it has started too."""
        family = psutil.Process(self.process.pid).children(recursive=True) if all_at_once else []
        self.process.kill()
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait()


def wait(batch, seconds, until=lambda: False):
    """Until something is so, the time is over or the batch has ended."""
    end = time.monotonic() + seconds
    while batch.process.poll() is None and time.monotonic() < end and not until():
        time.sleep(0.001)


@pytest.mark.torture(minutes=6)
def test_a_batch_killed_twenty_times_ends_as_if_it_never_was(tmp_path, tally):
    study = RealStudy(tmp_path / "study")
    begun = time.monotonic()
    study.reproduce("--name", "whole")
    takes = time.monotonic() - begun
    whole = tables(study.root / "results" / "whole")
    shutil.rmtree(study.root / "data")  # it is made anew, under fire

    draw = random.Random(8)
    kills, in_writing, passes = 0, 0, 1
    lost, orphans, done = [], [], set()
    while kills < KILLS:
        batch = Batch(study, "killed")
        wait(batch, draw.uniform(0, 0.4) * takes)
        if draw.random() < 0.5:
            wait(batch, 0.4 * takes, until=batch.is_writing)
        started, writing = batch.jobs("start"), batch.is_writing()
        if batch.process.poll() is None:
            orphans += batch.orphans() if started else []
            batch.kill(all_at_once=draw.random() < 0.3)
            kills, in_writing = kills + 1, in_writing + writing
        lost += [line for job, line in started.items() if job in done]
        done |= batch.jobs("done").keys()
        if batch.process.returncode == 0:  # it got through between two kills: from the beginning
            assert same(whole, tables(batch.folder)) == len(whole)
            shutil.rmtree(batch.folder)
            done.clear()
            passes += 1
    study.reproduce("--name", "killed")
    assert not lost
    assert not orphans
    assert not list((study.root / "results").rglob("*.partial*"))
    assert not list((study.root / "data").glob("*.unfinished"))
    assert set(tables(batch.folder)) == set(whole)
    tally(
        group="faults",
        what=f"SIGKILL of a batch at random, in {passes} passes from the beginning, "
        f"{in_writing} times while it wrote a file",
        tried=kills,
        held=kills if same(whole, tables(batch.folder)) == len(whole) else 0,
    )


@pytest.mark.torture(minutes=2)
def test_jobs_of_a_killed_batch_end_without_it(tmp_path, tally):
    tried = held = 0
    study = RealStudy(tmp_path / "study")
    draw = random.Random(9)
    for _ in range(3):
        batch = Batch(study, "orphans")
        wait(batch, 60, until=partial(running_jobs, batch.folder))
        wait(batch, draw.uniform(0, 10))
        batch.kill(all_at_once=False)
        end = time.monotonic() + 20
        while running_jobs(batch.folder) and time.monotonic() < end:
            time.sleep(0.1)
        tried, held = tried + 1, held + (not running_jobs(batch.folder))
    tally(
        group="faults",
        what="all jobs of a killed batch end by themselves within 20 s",
        tried=tried,
        held=held,
    )
