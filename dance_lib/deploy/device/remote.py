"""A device that commands run on and files go to and from, however it is reached."""

import contextlib
import json
import os
import shlex
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from dance_lib.deploy.device import far_side
from dance_lib.errors import DanceError

REFUSED = 3  # exit status of far_side.py
INTERRUPTED = 130  # of run.py
NOT_FOUND = (126, 127)  # of a shell
PATIENCE_S = 20.0  # for a runner to end in order
LINES_OF_ERRORS = 40  # ssh says in twenty that a host key has changed
LARGEST = 1 << 30  # bytes of what a device gives back; a log of a day has 50 MB

Say = Callable[[str], None]
Feed = Callable[[IO[bytes]], object]  # writes a command's standard input


class RemoteError(DanceError):
    """The device, or the way to it, does not do what was asked; says how to mend it."""


class ConnectionLostError(RemoteError):
    """The way to the device broke while something ran there."""


@dataclass(frozen=True)
class Done:
    """How a command there ended: its exit status, standard output and last lines of errors."""

    status: int
    output: bytes
    errors: str

    @property
    def complaint(self) -> str:
        """The last line of errors."""
        return self.errors.rpartition("\n")[2]


class Remote(Protocol):
    """A device. Paths there are as its shell knows them, names are relative to a folder."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def home(self) -> str:
        """Where bundles go by default."""

    def run(
        self, command: Sequence[str], *, feed: Feed | None = None, say: Say | None = None
    ) -> Done:
        """Run a command with these arguments, none of which a shell there takes apart.

        Args:
            feed: writes its standard input. Without, the input stays open while it runs.
            say: is told each line of output as it comes; `output` is empty then.

        Raises:
            RemoteError: no client, no way to the device, or the way broke.
        """

    def push(self, root: Path, names: Sequence[str], folder: str, python: str) -> None:
        """Copy files of `root` into a folder there that has their folders."""

    def pull(self, folder: str, names: Sequence[str], target: Path, python: str) -> None:
        """Copy plain files of a folder there into `target`, which exists."""


def ask(remote: Remote, python: str, verb: str, folder: str, names: Sequence[str] = ()) -> Any:
    """What far_side.py answers there.

    Raises:
        RemoteError: no such Python, or the device refuses.
    """
    return json.loads(answer(remote, remote.run(far_command(python, verb, folder, names)), python))


def far_command(python: str, verb: str, folder: str, names: Sequence[str] = ()) -> list[str]:
    """The command that runs far_side.py there."""
    source = Path(far_side.__file__).read_text(encoding="utf-8")
    return [python, "-c", source, verb, folder, *names]


def answer(remote: Remote, done: Done, python: str) -> bytes:
    """What stands after the mark.

    Raises:
        RemoteError: there is none.
    """
    if done.status == REFUSED:
        said = done.complaint.rpartition(f"{far_side.MARK}: ")[2] or "no reason given"
        remedy = "make room" if "No space left" in said else "see to that"
        raise RemoteError(f"{remote.name}: {said}; {remedy}, or choose another --remote-folder")
    _, mark, rest = done.output.partition(far_side.MARK.encode() + b"\n")
    if done.status in NOT_FOUND or (not mark and "not found" in done.errors):
        raise RemoteError(
            f"{remote.name}: no {python} there ({done.complaint or 'not found'}); install "
            "Python 3.6 or later, or name it by --python"
        )
    if done.status or not mark:
        raise RemoteError(
            f"{remote.name}: {python} ended with status {done.status} "
            f"({done.complaint or 'no message'}); it must be Python 3.6 or later: name another by "
            "--python"
        )
    return rest


def quoted(command: Sequence[str]) -> str:
    """One line for a shell there."""
    return " ".join(map(shlex.quote, command))


def run_client(command: Sequence[str], *, feed: Feed | None, say: Say | None) -> Done:
    """Run a program of this machine that speaks for the device.

    Its input is held open while it runs, so that what runs there sees when we are gone. On an
    interruption it is closed, which run.py takes as a wish to end, and waited for.

    Raises:
        RemoteError: there is no such program.
    """
    try:
        client = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us: the device is to end in order
            env=os.environ | {"LC_ALL": "C"},  # its messages are read here
        )
    except OSError as error:
        raise RemoteError(f"can't start {command[0]}: {error.strerror}; install it") from error
    assert client.stdin is not None
    assert client.stdout is not None
    assert client.stderr is not None
    errors: deque[str] = deque(maxlen=LINES_OF_ERRORS)
    threads = [threading.Thread(target=_keep, args=(client.stderr, errors), daemon=True)]
    if feed is not None:
        threads.append(threading.Thread(target=_give, args=(client.stdin, feed), daemon=True))
    for thread in threads:
        thread.start()
    try:
        output = _listen(client.stdout, say)
    except BaseException:
        _end(client)
        raise
    finally:
        _close(client.stdin)
        status = client.wait()
        for thread in threads:
            thread.join()
        client.stdout.close()
        client.stderr.close()
    return Done(status, output, "\n".join(errors))


def _listen(stream: IO[bytes], say: Say | None) -> bytes:
    if say is None:
        output = stream.read(LARGEST + 1)
        if len(output) > LARGEST:
            raise RemoteError(f"the device gives back more than {LARGEST >> 20} MiB")
        return output
    for line in iter(lambda: stream.readline(1 << 16), b""):
        say(line.decode("utf-8", "replace").rstrip())
    return b""


def _end(client: subprocess.Popen[bytes]) -> None:
    """Let what runs there end in order; end the client where that takes too long."""
    assert client.stdin is not None
    assert client.stdout is not None
    _close(client.stdin)
    timer = threading.Timer(PATIENCE_S, client.kill)
    timer.start()
    try:
        while client.stdout.read(1 << 16):  # nothing may stop it from writing its last lines
            pass
        client.wait()
    except BaseException:
        client.kill()
        raise
    finally:
        timer.cancel()


def _keep(stream: IO[bytes], errors: deque[str]) -> None:
    for line in iter(lambda: stream.readline(1 << 16), b""):
        text = line.decode("utf-8", "replace").strip()
        if text and not text.startswith("* daemon"):  # adb starts its own
            errors.append(text)


def _give(stream: IO[bytes], feed: Feed) -> None:
    with contextlib.suppress(OSError):  # it ended without reading all: its status tells why
        feed(stream)
    _close(stream)


def _close(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        stream.close()
