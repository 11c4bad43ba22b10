"""`dance reproduce`: plan the jobs, bring them up to date, name the report to open."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any

from snakemake.exceptions import WorkflowError

from dance_lib.atomic import writing
from dance_lib.errors import DanceError
from dance_lib.study import batch, paths
from dance_lib.study.alone import alone_in
from dance_lib.study.graph import Job, plan
from dance_lib.study.manifest import load_manifest
from dance_lib.study.place import Place, find_place
from dance_lib.study.profile import load_profile
from dance_lib.study.progress import Progress, duration
from dance_lib.study.settings import Settings
from dance_lib.study.values import parse_overrides

Say = Callable[[str], None]  # shows one line


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        root: the folder of the study.
        profile: the name of a profile.
        overrides: `NAME=VALUE` parameters; `NAME=A,B` is a list.
        only: notebooks to run, with what they need; all of them where none is named.
        name: of the run folder, where the one that follows from the settings is not wanted.
        cores: threads that all jobs together may use; the processors at hand by default. By a
            workflow profile, what a job may use that wants a machine to itself.
        workflow_profile: a file of Snakemake's that says where jobs run; here where None.
        force: run the notebooks even if they are up to date.
        dry_run: only say what would run, and why.
    """

    root: Path
    profile: str = "default"
    overrides: list[str] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    name: str | None = None
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    workflow_profile: Path | None = None
    force: bool = False
    dry_run: bool = False


def reproduce(request: Request, say: Say = print) -> bool:
    """Run the notebooks that are not up to date; return whether all of them succeeded.

    Raises:
        DanceError: an unknown profile, notebook or parameter, a value that does not fit, or
            another batch at work in the folder.
    """
    begun = time()
    place = find_place(request.workflow_profile, request.cores)
    manifest = load_manifest(request.root)
    overrides = parse_overrides(request.overrides)
    for notebook in request.only:
        manifest.entry(notebook)  # or refused
    jobs = plan(request.root, request.profile, overrides, request.only)
    targets = [job for job in jobs if not request.only or job.notebook in request.only]
    settings = Settings.choose(
        request.profile,
        overrides,
        request.name,
        _shared(jobs),
        manifest.fan_out_names,
    )
    folder = paths.RESULTS / settings.folder
    say(f"profile {request.profile}: {load_profile(request.root, request.profile).description}")
    progress = Progress(
        jobs,
        say,
        lambda to_run: _announce(request, place, to_run, folder, say),
        starting="would start" if request.dry_run else "start",
    )
    config = {
        "root": str(request.root),
        "profile": request.profile,
        "overrides": overrides,
        "only": request.only,
        "results": str(folder),
        "cores": request.cores,
    }
    run_folder = request.root / folder
    with nullcontext() if request.dry_run else alone_in(run_folder):
        if not request.dry_run:
            settings.write(run_folder)
        _run(request, place, run_folder, config, targets, progress)
    report = next((job for job in targets if job.notebook == manifest.report), targets[-1])
    return _conclude(request, folder, report, progress, begun, say)


def _shared(jobs: list[Job]) -> dict[str, dict[str, Any]]:
    """Return, by notebook, the parameters that are the same in all its jobs."""
    shared: dict[str, dict[str, Any]] = {}
    for job in jobs:
        before = shared.setdefault(job.notebook, dict(job.parameters))
        differing = [name for name in before if before[name] != job.parameters[name]]
        for name in differing:
            del before[name]
    return shared


def _run(
    request: Request,
    place: Place,
    run_folder: Path,
    config: dict[str, object],
    targets: list[Job],
    progress: Progress,
) -> None:
    try:
        with writing(run_folder):
            batch.run(
                run_folder,
                config,
                [job.name for job in targets],
                progress,
                place=place,
                force=request.force,
                dry_run=request.dry_run,
            )
    except WorkflowError as error:
        if not progress.failed:  # refused before any job ran
            raise DanceError(" ".join(str(error).split())) from error


def _announce(request: Request, place: Place, to_run: list[Job], folder: Path, say: Say) -> None:
    """Say which jobs are going to run and how long that takes, as far as the manifest knows."""
    minutes = {job.name: job.entry.minutes.get(request.profile) for job in to_run}
    threads = {job.name: job.claims(request.cores) for job in to_run}
    known = sum((time or 0) * threads[name] / request.cores for name, time in minutes.items())
    jobs, cores = _count(len(to_run), "job"), _count(request.cores, "core")
    here = f"about {duration(60 * known)} on {cores}"
    there = f"by {place.executor}, up to {place.resources.nodes} at a time"
    say(f"{jobs} to run in {folder}, {here if place.executor == 'local' else there}")
    say("  expected  threads  job")
    for job in to_run:
        time = minutes[job.name]
        expected = duration(60 * time) if time else "?"
        say(f"  {expected:>8}  {threads[job.name]:7}  {job.name}: {job.entry.title}")


def _conclude(
    request: Request, folder: Path, report: Job, progress: Progress, begun: float, say: Say
) -> bool:
    """Say how it went and what to open."""
    took = duration(time() - begun)
    if progress.failed:
        copies = [folder / job.executed for job in progress.failed]
        kept = [copy for copy in copies if _is_made_since(begun, request.root / copy)]
        ending = "; kept up to the failing cell:" if kept else ""
        say(f"{_count(len(copies), 'job')} of {len(progress.to_run)} failed ({took}){ending}")
        for copy in kept:
            say(f"  {copy}")
        return False
    if not progress.to_run:
        say(f"nothing to do, everything is up to date ({took})")
    elif not request.dry_run:
        say(f"{_count(len(progress.to_run), 'job')} done in {took}")
    if not request.dry_run:
        say(f"open {folder / report.executed}")
    return True


def _is_made_since(begun: float, file: Path) -> bool:
    """Of a job that left no copy Snakemake makes an empty one, or an earlier one is still there."""
    return file.is_file() and file.stat().st_size > 0 and file.stat().st_mtime >= begun


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
