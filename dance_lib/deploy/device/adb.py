"""An Android device reached by adb, by cable or over Wi-Fi."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dance_lib.deploy.device.remote import (
    ConnectionLostError,
    Done,
    Feed,
    RemoteError,
    Say,
    quoted,
    run_client,
)

SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
# What adb says, and what to do about it.
REASONS = (
    (
        "no devices/emulators found",
        "no device; switch USB debugging on, `adb connect ADDRESS` over Wi-Fi, and see "
        "`adb devices`",
    ),
    ("more than one device", "several devices; name one by --serial, of `adb devices`"),
    ("unauthorized", "allow this computer on the device's screen, then try again"),
    ("not found", "no such device; `adb devices` lists those there are"),
    ("offline", "it is offline; plug it in again, or `adb reconnect`"),
    ("No space left", "no space left there; make room, or choose another --remote-folder"),
    ("Permission denied", "permission denied there; choose another --remote-folder"),
)


@dataclass(frozen=True)
class Adb:
    """A device by adb.

    Attributes:
        serial: of `adb devices`; None where there is one device.

    Raises:
        RemoteError: on making one, for a serial that is none.
    """

    serial: str | None = None
    home: str = "/data/local/tmp/dance"

    def __post_init__(self) -> None:
        if self.serial is not None and not SERIAL.fullmatch(self.serial):
            raise RemoteError(f"--serial {self.serial!r}: is no serial number of `adb devices`")

    @property
    def name(self) -> str:
        """The serial number."""
        return self.serial or "the device"

    def run(
        self, command: Sequence[str], *, feed: Feed | None = None, say: Say | None = None
    ) -> Done:
        """See `Remote.run`."""
        return self._adb("shell", "-T", quoted(command), feed=feed, say=say)

    def push(self, root: Path, names: Sequence[str], folder: str, python: str) -> None:
        """See `Remote.push`."""
        for name in names:
            self._copy("push", str((root / name).absolute()), f"{folder}/{name}")

    def pull(self, folder: str, names: Sequence[str], target: Path, python: str) -> None:
        """See `Remote.pull`."""
        for name in names:
            self._copy("pull", f"{folder}/{name}", str((target / name).absolute()))

    def _copy(self, *arguments: str) -> None:
        done = self._adb(*arguments)
        if done.status:
            said = done.complaint or done.output.decode("utf-8", "replace").strip()
            raise RemoteError(f"{self.name}: adb {arguments[0]} failed: {said}")

    def _adb(self, *arguments: str, feed: Feed | None = None, say: Say | None = None) -> Done:
        # A server that a command started would hold its pipes open for good.
        try:
            subprocess.run(
                ["adb", "start-server"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise RemoteError(
                f"can't start adb: {error.strerror}; install Android's platform tools"
            ) from error
        chosen = ["-s", self.serial] if self.serial else []
        done = run_client(["adb", *chosen, *arguments], feed=feed, say=say)
        own = [line for line in done.errors.split("\n") if line.startswith(("error: ", "adb: "))]
        if done.status and own:
            for said, meaning in REASONS:
                if said in own[-1]:
                    raise RemoteError(f"{self.name}: {meaning}")
            raise ConnectionLostError(f"{self.name}: {own[-1]}")
        return done
