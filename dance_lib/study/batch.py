"""Snakemake, run on the study's graph in one run folder, by one batch at a time."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging import Handler
from pathlib import Path

import psutil
from snakemake.api import SnakemakeApi
from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
from snakemake.settings.enums import Quietness
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    ResourceSettings,
    SchedulingSettings,
)

from dance_lib.errors import DanceError
from dance_lib.study.atomic import remove_partials
from dance_lib.study.paths import LOCK

EXECUTE = "dance_lib.study.execute"  # the module that the Snakefile calls for a job
SNAKEFILE = Path(__file__).with_name("Snakefile")
# By contents and not by date, whatever was checked out or copied; a checkpoint is a few MB.
CHECKSUMS_UP_TO_BYTES = 10**9


def run(
    run_folder: Path,
    config: dict[str, object],
    targets: Iterable[str],
    handler: Handler,
    *,
    cores: int,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Bring the jobs named in `targets` up to date, with what they need.

    Independent jobs go on where one fails. What a killed batch left half done is made anew.

    Args:
        run_folder: where products, executed notebooks and Snakemake's own records lie.
        config: what the Snakefile plans by.
        targets: names of jobs.
        handler: gets Snakemake's log records, to show progress by.
        cores: how many threads all jobs together may use.
        force: run the targets even if they are up to date.
        dry_run: only report what would run.

    Raises:
        WorkflowError: a job failed, or Snakemake refused the graph.
    """
    # All quiet: what there is to say, the handler says.
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        api.logger_manager.logger.addHandler(handler)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(config=config),
            snakefile=SNAKEFILE,
            workdir=run_folder,
        )
        workflow.dag(
            DAGSettings(
                targets=frozenset(targets),
                forcerun=frozenset(targets) if force else frozenset(),
                force_incomplete=True,
                max_checksum_file_size=CHECKSUMS_UP_TO_BYTES,
            )
        ).execute_workflow(
            executor="local",
            pseudo_executor="dryrun" if dry_run else None,
            # `alone_in` locks more surely: its lock dies with the process that holds it.
            execution_settings=ExecutionSettings(keep_going=True, lock=False),
            scheduling_settings=SchedulingSettings(scheduler="greedy"),
            scheduler_settings=GreedySettings(),
        )


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
        end_orphans(run_folder)
        remove_partials(run_folder)
        yield


def end_orphans(run_folder: Path) -> None:
    """End every job still running in the folder, with its kernel.

    Only for the holder of the folder's lock: its own jobs have not started, so any job there has
    lost its batch and would go on writing the files that are now to be made anew.
    """
    orphans = running_jobs(run_folder)
    family = {child for orphan in orphans for child in (*orphan.children(recursive=True), orphan)}
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)


def running_jobs(run_folder: Path) -> list[psutil.Process]:
    """Return the processes that run a notebook for a batch in the folder."""
    return [process for process in psutil.process_iter() if _is_job(process, run_folder)]


def _is_job(process: psutil.Process, run_folder: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False  # it ended meanwhile, or belongs to somebody else
    return EXECUTE in words and any(word.startswith(f"{run_folder}/") for word in words)
