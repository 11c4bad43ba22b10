"""Which reader takes a log: recognised by its first lines, or named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dance_lib.devices.latency import LatencyLog
from dance_lib.devices.power import LogError, PowerLog

HEAD = 4096  # characters by which a format is recognised
LARGEST = 1 << 30  # bytes


@dataclass(frozen=True)
class Declared:
    """What the person who logged knows, and the log does not say.

    Attributes:
        interval: seconds between samples, nominal; used where the log has no times of its own.
        columns: for tables: by role (`time`, `power`, `current`, `voltage`) the name of its column
            and the unit, ("P", "mW"). What is left out is recognised from the header.
    """

    interval: float | None = None
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A kind of log.

    Attributes:
        recognises: whether the first characters of a file are of this kind; never raises.
        read: (name of the log for messages, all its text, what was declared) -> the log.
    """

    name: str
    recognises: Callable[[str], bool]
    read: Callable[[str, str, Declared], PowerLog | LatencyLog]


def read_text(path: Path) -> str:
    """All of a log as text, line ends made alike.

    Raises:
        LogError: there is no such file, it is empty, too large, or no text.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise LogError(f"{path}: larger than a log can be ({LARGEST >> 20} MiB)")
        raw = path.read_bytes()
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogError(f"{path}: is no text (byte {error.start})") from error
    if "\0" in text:
        raise LogError(f"{path}: is no text (a zero byte)")
    if not text.strip():
        raise LogError(f"{path}: is empty")
    return "\n".join(text.splitlines())
