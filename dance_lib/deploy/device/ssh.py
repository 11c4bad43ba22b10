"""A device reached by the OpenSSH client of this machine, whose host key must be known already."""

import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dance_lib.deploy.device.far_side import MARK
from dance_lib.deploy.device.remote import (
    LARGEST,
    ConnectionLostError,
    Done,
    Feed,
    RemoteError,
    Say,
    answer,
    far_command,
    quoted,
    run_client,
)

FAILED = 255  # exit status of ssh where it, and not the command there, failed
# A name from the command line or a config, never an option or a shell's word: a ProxyCommand in
# the user's config may hand it to a shell.
HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._+-]*@)?[A-Za-z0-9_:][A-Za-z0-9._:%-]*")
OPTIONS = (
    "BatchMode=yes",  # never asks: it fails, and we say why
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "ControlMaster=no",  # a master in the background would hold our pipes open
    "RemoteCommand=none",
    "ClearAllForwardings=yes",
)
# What ssh says, and what to do about it; {host} is as it was given.
REASONS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the known one: another machine answers, or it was set up anew; ask "
        "whoever runs it, then `ssh-keygen -R` the host and accept the new key by hand",
    ),
    (
        "Host key verification failed",
        "its host key is not known here: compare its fingerprint and accept it once by hand, "
        "`ssh {host}`, or give --known-hosts",
    ),
    (
        "Permission denied",
        "it does not take our key: `ssh-copy-id {host}`, `ssh-add` a key that has a passphrase, or "
        "give --identity",
    ),
    ("Could not resolve hostname", "no host of that name; check --host"),
    ("Connection refused", "no ssh server answers; start it there, or give --port"),
    ("timed out", "it does not answer; is it on, and in this network?"),
    ("No route to host", "it can't be reached; is it on, and in this network?"),
    ("Network is unreachable", "it can't be reached; is this machine in its network?"),
    ("Bad configuration option", "the ssh config has a mistake; mend it, or give --ssh-config"),
    ("Can't open user config file", "no such ssh config; check --ssh-config"),
)
LOST = (
    "closed by remote host", "not responding", "Broken pipe", "Connection reset", "client_loop",
    "Connection closed",
)  # fmt: skip


@dataclass(frozen=True)
class Ssh:
    """A device by ssh; what is not given is as the user's own config has it.

    Attributes:
        host: `user@host`, or a name in the config.
        identity: private key. known_hosts: file of host keys. config: in place of the user's.

    Raises:
        RemoteError: on making one, for a host that is none or a file that is not there.
    """

    host: str
    port: int | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    config: Path | None = None
    home: str = "dance"

    def __post_init__(self) -> None:
        if not HOST.fullmatch(self.host):
            raise RemoteError(f"--host {self.host!r}: is no user@host")
        for option in ("identity", "known_hosts", "config"):
            path = getattr(self, option)
            if path is not None and not path.is_file():
                name = "ssh-config" if option == "config" else option.replace("_", "-")
                raise RemoteError(f"--{name} {path}: no such file")
            if path is not None and '"' in str(path):
                raise RemoteError(f"{path}: ssh takes no path with a quotation mark; rename it")

    @property
    def name(self) -> str:
        """The host."""
        return self.host

    def run(
        self, command: Sequence[str], *, feed: Feed | None = None, say: Say | None = None
    ) -> Done:
        """See `Remote.run`."""
        line = [*self._client(), "--", self.host, quoted(command)]
        done = run_client(line, feed=feed, say=say)
        if done.status == FAILED:
            raise self._failure(done)
        return done

    def push(self, root: Path, names: Sequence[str], folder: str, python: str) -> None:
        """See `Remote.push`: a tar through the one connection, names as they are."""

        def feed(stream: IO[bytes]) -> None:
            with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for name in names:
                    tar.add(root / name, arcname=name, recursive=False, filter=_plain)

        answer(self, self.run(far_command(python, "take", folder), feed=feed), python)

    def pull(self, folder: str, names: Sequence[str], target: Path, python: str) -> None:
        """See `Remote.pull`; nothing but files of these names is taken."""
        if not names:
            return
        rest = answer(self, self.run(far_command(python, "give", folder, names)), python)
        wanted = set(names)
        try:
            with tarfile.open(fileobj=io.BytesIO(rest), mode="r:") as tar:
                for member in tar:
                    source = tar.extractfile(member) if member.name in wanted else None
                    if source is not None:
                        (target / member.name).write_bytes(source.read(LARGEST))
        except tarfile.TarError as error:
            raise ConnectionLostError(f"{self.name}: what came back is cut short") from error

    def _client(self) -> list[str]:
        # `%` would be a token of ssh's in a path.
        line = ["ssh", "-T"]
        for option in OPTIONS:
            line += ["-o", option]
        if self.config is not None:
            line += ["-F", str(self.config)]
        if self.port is not None:
            line += ["-p", str(self.port)]
        if self.identity is not None:
            line += ["-i", str(self.identity).replace("%", "%%"), "-o", "IdentitiesOnly=yes"]
        if self.known_hosts is not None:
            path = str(self.known_hosts).replace("%", "%%")
            line += ["-o", f'UserKnownHostsFile="{path}"']
        return line

    def _failure(self, done: Done) -> RemoteError:
        """What ssh's own failure means."""
        for said, meaning in REASONS:
            if said in done.errors:
                return RemoteError(f"{self.host}: {meaning.format(host=self.host)}")
        lost = any(said in done.errors for said in LOST) or done.output.startswith(MARK.encode())
        kind = ConnectionLostError if lost or not done.errors else RemoteError
        said = done.complaint or "nothing was said, so what ran there may have been killed"
        return kind(f"{self.host}: the connection broke: {said}")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A member that tells nothing of this machine's users."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
