"""One batch at a time in a run folder, and no job there without its batch."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

import psutil
from snakemake.exceptions import WorkflowError

from dance_lib.atomic import remove_partials, writing
from dance_lib.errors import DanceError
from dance_lib.study.paths import LOCK

JOB = "DANCE_JOB"  # in the environment of a job and of all that it starts: its executed notebook
PATIENCE = 10  # rounds of 3 s in which what was killed has to end


@contextmanager
def alone_in(run_folder: Path) -> Iterator[None]:
    """Hold the run folder; first end what a killed batch left running there.

    Raises:
        DanceError: another batch holds it.
    """
    with _lock_file(run_folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip()
            raise DanceError(
                f"another batch (process {holder}) is at work in {run_folder}; wait for its end, "
                "or choose another folder by --name"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        end_jobs(run_folder)
        remove_partials(run_folder)
        with _ending_jobs_when_interrupted(run_folder):
            yield


def _lock_file(run_folder: Path) -> TextIO:
    """The folder's lock, open; the folder is made."""
    with writing(run_folder / LOCK):
        run_folder.mkdir(parents=True, exist_ok=True)
        return (run_folder / LOCK).open("a+")


@contextmanager
def _ending_jobs_when_interrupted(run_folder: Path) -> Iterator[None]:
    """On Ctrl-C or SIGTERM end the running jobs; Snakemake would wait for them, hours perhaps."""
    interrupted = False

    def end(signal_number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        end_jobs(run_folder)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except (KeyboardInterrupt, WorkflowError, DanceError):  # however the ended job came out
        if not interrupted:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise DanceError("interrupted; the same command goes on where it stopped")


def end_jobs(run_folder: Path) -> None:
    """End every job running in the folder, with its kernel; only for the holder of its lock.

    Before the holder has started any, these have lost their batch, and would go on writing the
    files that are now to be made anew.

    Raises:
        DanceError: one does not end.
    """
    for _ in range(PATIENCE):  # one may start another just before it is killed
        jobs = running_jobs(run_folder)
        if not jobs:
            return
        for process in jobs:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(jobs, timeout=3)
    raise DanceError(f"process {jobs[0].pid} still writes into {run_folder} and can't be ended")


def running_jobs(run_folder: Path) -> list[psutil.Process]:
    """Return the processes that work for a batch in the folder: jobs, kernels and their workers."""
    return [process for process in psutil.process_iter() if _is_job(process, run_folder)]


def _is_job(process: psutil.Process, run_folder: Path) -> bool:
    try:
        job = process.environ().get(JOB)
    except psutil.Error:
        return False  # it ended meanwhile, or belongs to somebody else
    return job is not None and Path(job).resolve().is_relative_to(run_folder.resolve())
