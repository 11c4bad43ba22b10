"""A real Slurm on this machine: its own munged, slurmctld and two nodes, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PATH = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
MISSING = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
ROOT = Path(__file__).parents[2]
NODES = ("node1", "node2")


@dataclass(frozen=True)
class Slurm:
    """A running cluster; `environment` is what its clients need."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def say(self, *command: str) -> str:
        """What a client says."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job the controller remembers, as `scontrol show job` tells of it."""
        lines = self.say("scontrol", "--oneliner", "show", "job").splitlines()
        return [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines]


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


def _configuration(folder: Path) -> str:
    controller, *nodes = _free_ports(1 + len(NODES))
    host = socket.gethostname().partition(".")[0]
    settings = {
        "ClusterName": "tests", "SlurmctldHost": f"{host}(127.0.0.1)", "SlurmctldPort": controller,
        "SlurmUser": "root", "SlurmdUser": "root",
        "AuthType": "auth/munge", "AuthInfo": f"socket={folder}/munge.socket",
        "CredType": "cred/munge",
        "StateSaveLocation": folder / "state", "SlurmdSpoolDir": f"{folder}/spool-%n",
        "SlurmctldPidFile": folder / "slurmctld.pid", "SlurmdPidFile": f"{folder}/slurmd-%n.pid",
        # What a container has not: cgroups of its own, an accounting database.
        "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none",
        "SwitchType": "switch/none", "MpiDefault": "none", "ReturnToService": 2,
        "SelectType": "select/cons_tres", "SelectTypeParameters": "CR_Core_Memory",
        # Whatever this machine has, a node has memory for one job of the shipped profile.
        "SlurmdParameters": "config_overrides", "MinJobAge": 3600,
    }  # fmt: skip
    lines = [f"{name}={value}" for name, value in settings.items()]
    lines += [
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=8000"
        for name, port in zip(NODES, nodes, strict=True)
    ]
    lines.append("PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"


@contextmanager
def _running(folder: Path, name: str, *command: str) -> Iterator[None]:
    """A daemon, which stays in the foreground and says what it has to in a file."""
    program = shutil.which(command[0], path=PATH)
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [program, *command[1:]], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _until(holds, folder: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        logs = "\n".join(log.read_text()[-2000:] for log in folder.glob("*.log"))
        assert time.monotonic() < end, f"Slurm does not come up:\n{logs}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    if MISSING:
        pytest.skip(f"no {', '.join(MISSING)}: install slurmctld slurmd slurm-client munge")
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="install the extra `cluster`")
    if os.geteuid() != 0:
        pytest.skip("slurmd starts jobs as root only")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    configuration = folder / "slurm.conf"
    configuration.write_text(_configuration(folder))
    # In a job the executor hides what it does not know of Slurm's variables, this cluster too.
    srun = folder / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    with ExitStack() as daemons:

        def start(name: str, *command: str) -> None:
            daemons.enter_context(_running(folder, name, *command))

        start(
            "munged", "munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed",
        )  # fmt: skip
        _until((folder / "munge.socket").exists, folder)
        start("slurmctld", "slurmctld", "-D", "-f", str(configuration))
        for node in NODES:
            start(node, "slurmd", "-D", "-N", node, "-f", str(configuration))
        cluster = Slurm(folder)
        idle = ["sinfo", "--noheader", "--Node", "--format=%T"]
        _until(lambda: cluster.say(*idle).split() == ["idle"] * len(NODES), folder)
        yield cluster
