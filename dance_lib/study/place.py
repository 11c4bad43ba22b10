"""Where the jobs run: on this machine, or where one of Snakemake's own workflow profiles says.

A workflow profile is a YAML file of Snakemake's command-line options (`env/slurm.yaml` is one), and
Snakemake's parser reads it. Of its options those count that say where and with what jobs run: the
executor with its settings, resources, storage, software, retries. What runs is the batch's to say.
"""

import io
from argparse import Namespace
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snakemake.cli import CliException, parse_args
from snakemake.settings.types import (
    DeploymentSettings,
    ExecutionSettings,
    RemoteExecutionSettings,
    ResourceSettings,
    StorageSettings,
)
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from dance_lib.errors import DanceError


@dataclass(frozen=True)
class Place:
    """An executor, and what Snakemake has to know of it.

    Attributes:
        resources: how much may run at a time, and what a job asks for.
        workflow: further arguments of `SnakemakeApi.workflow`.
        execution: further arguments of `execute_workflow`.
    """

    executor: str
    resources: ResourceSettings
    workflow: dict[str, Any] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)


def find_place(workflow_profile: Path | None, cores: int) -> Place:
    """Return this machine with `cores` threads for all jobs together, or what a profile says.

    Raises:
        DanceError: the profile is not there, has an option that Snakemake does not know, or names
            an executor that is not installed.
    """
    # Independent jobs go on where one fails; `alone_in` locks, and ends with whoever holds it.
    told: dict[str, Any] = {"keep_going": True, "lock": False}
    if workflow_profile is None:
        return Place(
            "local",
            ResourceSettings(cores=cores),
            execution={"execution_settings": ExecutionSettings(**told)},
        )
    options = _read(workflow_profile)
    if options.executor and not options.jobs:
        raise DanceError(f"{workflow_profile}: say by `jobs: N` how many may run at a time")
    return Place(
        options.executor or "local",
        ResourceSettings(
            cores=cores,
            nodes=options.jobs,
            max_threads=options.max_threads,
            resources=options.resources,
            default_resources=options.default_resources,
        ),
        workflow={
            "storage_settings": StorageSettings(
                default_storage_provider=options.default_storage_provider,
                default_storage_prefix=options.default_storage_prefix,
                shared_fs_usage=options.shared_fs_usage,
            ),
            "deployment_settings": DeploymentSettings(
                deployment_method=options.software_deployment_method,
                apptainer_args=options.apptainer_args,
                apptainer_prefix=options.apptainer_prefix,
            ),
        },
        execution={
            "execution_settings": ExecutionSettings(
                **told, latency_wait=options.latency_wait, retries=options.retries
            ),
            "remote_execution_settings": RemoteExecutionSettings(
                container_image=options.container_image,
                envvars=options.envvars,
                precommand=options.precommand,
                seconds_between_status_checks=options.seconds_between_status_checks,
            ),
            "executor_settings": options.executor_settings,
        },
    )


def _read(profile: Path) -> Namespace:
    """Return Snakemake's options as the profile sets them, with those of its executor."""
    if not profile.is_file():
        raise DanceError(f"{profile}: no such workflow profile; start from env/slurm.yaml")
    said = io.StringIO()
    try:
        with redirect_stderr(said):  # it tells what it reads, and mistakes below a long list
            _, options = parse_args(["--workflow-profile", str(profile)])
    except (SystemExit, CliException) as error:
        parsed = isinstance(error, CliException)
        mistake = str(error) if parsed else said.getvalue().rpartition("error: ")[2]
        missing = "--executor" in mistake
        remedy = "; an executor is installed as snakemake-executor-plugin-NAME" if missing else ""
        raise DanceError(f"{profile}: {mistake.strip()}{remedy}") from error
    plugin = ExecutorPluginRegistry().get_plugin(options.executor or "local")
    options.executor_settings = plugin.get_settings(options)
    return options
