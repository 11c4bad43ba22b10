"""`dance energy`: what logs say, printed and written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dance_lib.atomic import replacing
from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError, Window
from dance_lib.devices.report import report

ROLES = ("time", "power", "current", "voltage")
POWER = {
    "window": "window", "rail": "rail", "samples": "samples", "mean_w": "mean W", "max_w": "max W",
    "duration_s": "s", "energy_j": "J",
}  # fmt: skip
LATENCY = {
    "runs": "runs", "mean_ms": "mean ms", "median_ms": "median ms", "least_ms": "least ms",
    "most_ms": "most ms", "deviation_ms": "deviation ms",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What stands on the command line.

    Attributes:
        columns: `role=name:unit` each.
        start, end: of one window, seconds after the first sample; None is the log's own.
        csv: file to write the rows into.
    """

    logs: Sequence[Path]
    format: str | None = None
    interval: float | None = None
    columns: Sequence[str] = ()
    events: Path | None = None
    start: float | None = None
    end: float | None = None
    max_gap: float | None = None
    csv: Path | None = None


def tell(asked: Asked, say: Callable[[str], None], complain: Callable[[str], None]) -> bool:
    """Print what each log says; a log that is refused is named, with the reason.

    Returns:
        Whether all logs could be told of.

    Raises:
        LogError: the options contradict each other, or the csv can't be written.
    """
    if asked.csv is not None and asked.csv.resolve() in {path.resolve() for path in asked.logs}:
        raise LogError(f"--csv {asked.csv}: is one of the logs, and would be lost")
    if asked.csv is not None and not asked.csv.parent.is_dir():
        raise LogError(f"can't write {asked.csv}: there is no folder {asked.csv.parent}")
    declared = Declared(asked.interval, columns_of(asked.columns))
    window = _window(asked)
    tables, refused = [], 0
    for path in asked.logs:
        try:
            rows = report(
                path,
                format=asked.format,
                declared=declared,
                events=asked.events,
                window=window,
                max_gap=asked.max_gap,
            )
        except LogError as error:
            complain(f"refused: {error}")
            refused += 1
            continue
        tables.append(rows)
        for line in shown(rows):
            say(line)
    if asked.csv is not None and tables:
        try:
            with replacing(asked.csv) as partial:
                pd.concat(tables, ignore_index=True).to_csv(partial, index=False)
        except OSError as error:
            raise LogError(f"can't write {asked.csv}: {error.strerror}") from error
        say(f"rows in {asked.csv}")
    return not refused


def columns_of(texts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """`power=P total:mW` -> {"power": ("P total", "mW")}.

    Raises:
        LogError: another form, or a role that there is not.
    """
    found = {}
    for text in texts:
        role, _, rest = text.partition("=")
        name, _, unit = rest.rpartition(":")
        if role not in ROLES or not name or not unit:
            raise LogError(
                f"--column {text}: write ROLE=NAME:UNIT, with a role of {', '.join(ROLES)}"
            )
        found[role] = (name, unit)
    return found


def shown(rows: pd.DataFrame) -> list[str]:
    """The rows of one log as lines to read: what it is, a table, and the notes."""
    first = rows.iloc[0]
    latency = bool(rows["mean_ms"].notna().all())
    columns = LATENCY if latency else POWER
    table = rows[list(columns)].dropna(axis=1, how="all").rename(columns=columns)
    clock = "" if latency else f", times {first['clock']}"
    lines = [f"{first['log']} ({first['format']}{clock}), {first['kind']}"]
    lines += table.to_string(index=False, float_format="{:.4g}".format).splitlines()
    notes = str(first["notes"]) if isinstance(first["notes"], str) else ""
    return [*lines, *(f"  note: {note}" for note in notes.split("; ") if note), ""]


def _window(asked: Asked) -> Window | None:
    if asked.start is None and asked.end is None:
        return None
    if asked.events is not None:
        raise LogError("--events names the windows already: leave --from and --to out")
    if asked.start is None or asked.end is None:
        raise LogError("a window needs both --from and --to, in seconds after the first sample")
    return Window("asked", asked.start, asked.end)
