"""Windows of a power log from a table of events: what ran on the device, from when to when."""

import csv
import re
from datetime import datetime
from pathlib import Path

from dance_lib.devices.formats import read_text
from dance_lib.devices.power import LogError, PowerLog, Window

COLUMNS = ["name", "start", "end"]
NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def read_events(path: Path, log: PowerLog) -> tuple[Window, ...]:
    """The windows that a table names, in its order.

    A csv with the columns name, start, end. Moments are seconds since the log's first sample, or
    date and time in ISO 8601, `2023-03-29T17:56:47.250`, where the log tells when it began: with a
    zone (`+02:00`, `Z`) if the log's start has one, and without if it has none.

    Raises:
        LogError: no such table, or no event in it; columns other than these; a moment that is
            none, or lies outside the log; an end not after its start; a name twice.
    """
    try:
        rows = list(csv.reader(read_text(path).split("\n"), strict=True))
    except csv.Error as error:
        raise LogError(f"{path}: {error}") from error
    lines = [(n, [cell.strip() for cell in row]) for n, row in enumerate(rows, start=1) if any(row)]
    if not lines or lines[0][1] != COLUMNS:
        found = ", ".join(lines[0][1])[:80] if lines else "nothing"
        raise LogError(f"{path}: its columns must be {', '.join(COLUMNS)}, and are {found}")
    if len(lines) == 1:
        raise LogError(f"{path}: a header and no event below it")
    windows: dict[str, Window] = {}
    for number, row in lines[1:]:
        where = f"{path}: row {number}"
        if len(row) != len(COLUMNS):
            raise LogError(f"{where} has {len(row)} cells, and {len(COLUMNS)} are needed")
        name, start, end = row[0], _moment(where, row[1], log), _moment(where, row[2], log)
        if not name:
            raise LogError(f"{where}: an event without a name")
        if name in windows:
            raise LogError(f"{where}: a second event {name!r}; give each a name of its own")
        if end <= start:
            raise LogError(f"{where}: {name!r} ends at {row[2]}, and starts at {row[1]}")
        first, last = float(log.watts.index[0]), float(log.watts.index[-1])
        if start < first or end > last:
            raise LogError(
                f"{where}: {name!r} is from {start:g} to {end:g} s, and {log.source} has "
                f"{first:g} to {last:g} s"
            )
        windows[name] = Window(name, start, end)
    return tuple(windows.values())


def _moment(where: str, cell: str, log: PowerLog) -> float:
    """Seconds since the log's first sample."""
    if NUMBER.fullmatch(cell):
        return float(cell)
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise LogError(
            f"{where}: {cell[:40]!r} is neither seconds since the first sample nor a date and time"
        ) from None
    if log.start is None:
        raise LogError(
            f"{where}: a date, and {log.source} does not tell when it began; give seconds since "
            "its first sample"
        )
    began = log.start.to_pydatetime(warn=False)
    if (moment.tzinfo is None) != (began.tzinfo is None):
        needed = "no zone" if began.tzinfo is None else f"a zone, such as {began:%z} of its start"
        raise LogError(f"{where}: dates for {log.source} must have {needed}, since its own are so")
    try:
        return float(log.watts.index[0]) + (moment - began).total_seconds()
    except OverflowError as error:
        raise LogError(f"{where}: {cell[:40]!r} is out of range") from error
