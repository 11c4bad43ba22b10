"""Snakemake's log records as a few lines: what runs and why, what is done, what failed."""

import logging
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import monotonic

from snakemake_interface_logger_plugins.common import LogEvent

from dance_lib.study.graph import Job
from dance_lib.study.memory import with_remedy

# Snakemake's reasons to run a job, and ours for the same
REASONS = {
    "Missing output files": "not made yet",
    "Incomplete output files": "was interrupted",
    "Updated input files": "changed: {files}",
    "Input files updated by another job": "what it reads is made anew",
    "Set of input files has changed": "reads other files than before",
    "Code has changed": "the batch itself changed",
    "Params have changed": "other parameters",
    "Forced execution": "asked for",
}


class Progress(logging.Handler):
    """Says what happens to the jobs, and keeps which were to run and which failed.

    Args:
        jobs: all jobs of the plan.
        say: shows one line.
        announce: shows the jobs that are going to run, before the first starts.
        starting: the word for a job that starts, or would.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        say: Callable[[str], None],
        announce: Callable[[list[Job]], None],
        starting: str = "start",
    ):
        super().__init__()
        self.to_run: list[Job] = []
        self.failed: list[Job] = []
        self._jobs = {job.name: job for job in jobs}
        self._say = say
        self._announce = announce
        self._starting = starting
        self._running: dict[int, tuple[Job, float]] = {}  # by Snakemake's number: job, start
        self._killed: dict[str, str] = {}  # by the job's name: the signal
        self._done = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Handle one record; those that are no news are passed over."""
        news = record.__dict__
        match news.get("event"):
            case LogEvent.RUN_INFO if not self.to_run:
                self._plan(news["stats"])
            case LogEvent.JOB_INFO:
                self._start(news["jobid"], news["rule_name"], news["reason"])
            case LogEvent.JOB_FINISHED:
                self._finish(news["job_id"])
            case LogEvent.ERROR:
                self._note_signal(record.getMessage())
            case LogEvent.JOB_ERROR:
                self._fail(news["jobid"], news["log"][1:])

    def _plan(self, stats: Mapping[str, int]) -> None:
        self.to_run = [job for name, job in self._jobs.items() if name in stats]
        self._announce(self.to_run)

    def _start(self, number: int, name: str, reason: str) -> None:
        job = self._jobs[name]
        if job in self.failed:  # tried again, as a workflow profile may ask for
            self.failed.remove(job)
            self._killed.pop(name, None)
        self._running[number] = job, monotonic()
        self._say(f"{self._starting:7} {name} ({because(reason)})")

    def _finish(self, number: int) -> None:
        job, start = self._running.pop(number)
        self._done += 1
        self._say(
            f"done    {job.name} in {duration(monotonic() - start)} "
            f"({self._done} of {len(self.to_run)})"
        )

    def _note_signal(self, error: str) -> None:
        """Keep the signal that ended a job; the error tells it beside the job's command."""
        if signal := re.search(r"died with <Signals\.\w+: (\d+)>", error):
            for job, _ in self._running.values():
                if f"/{shlex.quote(job.executed)} " in error:
                    self._killed[job.name] = signal[1]

    def _fail(self, number: int, logs: list[str]) -> None:
        """Say so; `logs` are those that an executor elsewhere keeps of the job."""
        job, start = self._running.pop(number)
        self.failed.append(job)
        failure = f"FAILED  {job.name} after {duration(monotonic() - start)}"
        if signal := self._killed.get(job.name):
            failure = with_remedy(f"{failure}: killed by signal {signal}")
        self._say("; see ".join([failure, *logs]))


def because(reason: str) -> str:
    """Return the first of Snakemake's reasons in the words of the study."""
    changed = re.search(r"Updated input files: ([^;]*)", reason)
    files = sorted(Path(file).name for file in changed[1].split(", ")) if changed else []
    found = (words for start, words in REASONS.items() if start in reason)
    return next(found, reason).format(files=", ".join(files))


def duration(seconds: float) -> str:
    """Return a time for people: `48 s`, `2 min 31 s`, `3 h 05 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_rest = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_rest:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.0f} s"
