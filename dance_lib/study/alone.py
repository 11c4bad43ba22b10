"""One batch at a time in a run folder, and no job there without its batch."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from snakemake.exceptions import WorkflowError

from dance_lib.atomic import remove_partials
from dance_lib.errors import DanceError
from dance_lib.study.paths import LOCK

EXECUTE = "dance_lib.study.execute"  # the module that the Snakefile calls for a job


@contextmanager
def alone_in(run_folder: Path) -> Iterator[None]:
    """Hold the run folder; first end what a killed batch left running there.

    Raises:
        DanceError: another batch holds it.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    with (run_folder / LOCK).open("a+") as lock:
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
    """
    jobs = running_jobs(run_folder)
    family = {child for job in jobs for child in (*job.children(recursive=True), job)}
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=3)  # longer only where nobody collects the dead


def running_jobs(run_folder: Path) -> list[psutil.Process]:
    """Return the processes that run a notebook for a batch in the folder."""
    return [process for process in psutil.process_iter() if _is_job(process, run_folder)]


def _is_job(process: psutil.Process, run_folder: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False  # it ended meanwhile, or belongs to somebody else
    return EXECUTE in words and any(word.startswith(f"{run_folder}/") for word in words)
