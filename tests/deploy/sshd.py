"""A real sshd on the loopback, with keys and a configuration of its own."""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from dance_lib.deploy.device.ssh import Ssh

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
USER = getpass.getuser()


@dataclass(frozen=True)
class Server:
    """A running sshd: its port, its files, and a folder of programs that its sessions find."""

    folder: Path
    port: int
    process: subprocess.Popen

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> str:
        """That of these tests; what a login shell finds first may be another."""
        return str(self.programs / "python3")

    def remote(self, **changes) -> Ssh:
        """The way to it, with the right key and host key."""
        told = {
            "host": f"{USER}@127.0.0.1",
            "port": self.port,
            "identity": self.folder / "user",
            "known_hosts": self.folder / "known hosts",
            "config": self.folder / "config",
        }
        return Ssh(**(told | changes))

    def cut(self) -> None:
        """End the processes of its sessions, and so their connections; it goes on itself."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended with the one before it
                if process.name().startswith("sshd"):
                    process.kill()


def _key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sshd")
    host, user, _ = (_key(folder / name) for name in ("host", "user", "stranger"))
    (folder / "authorized").write_text(user)
    (folder / "config").write_text("")
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    (folder / "known hosts").write_text(f"[127.0.0.1]:{port} {host}")
    (folder / "other hosts").write_text(
        f"[127.0.0.1]:{port} {(folder / 'stranger.pub').read_text()}"
    )
    (folder / "no hosts").write_text("")
    settings = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "PidFile": "none",
        "AuthorizedKeysFile": folder / "authorized", "StrictModes": "no", "UsePAM": "no",
        "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password", "MaxStartups": 100,
        "SetEnv": f"PATH={folder / 'bin'}:/usr/bin:/bin",
    }  # fmt: skip
    lines = [f"{name} {value}\n" for name, value in settings.items()]
    (folder / "sshd_config").write_text("".join(lines))
    if os.geteuid() == 0:  # what sshd of root confines itself to; a service makes it otherwise
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [SSHD, "-D", "-e", "-f", folder / "sshd_config"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if "listening" in line:
                break
        assert said, "sshd said nothing"
        assert "listening" in said[-1], "".join(said)
        server = Server(folder, port, process)
        # What it goes on to say has to go somewhere: a full pipe would stop it.
        drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        yield server
        server.cut()
        process.terminate()
        process.wait()
        drain.wait()
