"""Snakemake, run on the study's graph in one run folder."""

import json
from collections.abc import Iterable, Mapping
from logging import Handler
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
from snakemake.settings.enums import Quietness
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    SchedulingSettings,
)

from dance_lib.study.place import Place

SNAKEFILE = Path(__file__).with_name("Snakefile")
# By contents and not by date, whatever was checked out or copied; a checkpoint is a few MB.
CHECKSUMS_UP_TO_BYTES = 10**9


def run(
    run_folder: Path,
    config: dict[str, object],
    targets: Iterable[str],
    handler: Handler,
    *,
    place: Place,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Bring the jobs named in `targets` up to date, with what they need.

    Independent jobs go on where one fails. What a killed batch left half done is made anew.

    Args:
        run_folder: where products, executed notebooks and Snakemake's own records lie.
        config: what the Snakefile plans by, of values that JSON knows.
        targets: names of jobs.
        handler: gets Snakemake's log records, to show progress by.
        place: where they run, and how many at a time.
        force: run the targets even if they are up to date.
        dry_run: only report what would run.

    Raises:
        WorkflowError: a job failed, or Snakemake refused the graph.
    """
    # All quiet: what there is to say, the handler says.
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        api.logger_manager.logger.addHandler(handler)
        workflow = api.workflow(
            resource_settings=place.resources,
            config_settings=ConfigSettings(config=config, config_args=_as_arguments(config)),
            snakefile=SNAKEFILE,
            workdir=run_folder,
            **place.workflow,
        )
        workflow.dag(
            DAGSettings(
                targets=frozenset(targets),
                forcerun=frozenset(targets) if force else frozenset(),
                force_incomplete=True,
                max_checksum_file_size=CHECKSUMS_UP_TO_BYTES,
            )
        ).execute_workflow(
            executor=place.executor,
            pseudo_executor="dryrun" if dry_run else None,
            scheduling_settings=SchedulingSettings(scheduler="greedy"),
            scheduler_settings=GreedySettings(),
            **place.execution,
        )


def _as_arguments(config: Mapping[str, object]) -> list[str]:
    """The config for the Snakemake that another machine runs a job by; YAML reads JSON."""
    return [f"{name}={json.dumps(value)}" for name, value in config.items()]
