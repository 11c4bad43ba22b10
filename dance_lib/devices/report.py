"""What logs say of power, energy and latency, as tidy rows."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dance_lib.devices.events import read_events
from dance_lib.devices.formats import Declared
from dance_lib.devices.latency import LatencyLog
from dance_lib.devices.power import PowerLog, Window, energy_table
from dance_lib.devices.read import NOTHING, read_log

# A row of a power log has a rail and joules, one of a latency log milliseconds; both have these.
COLUMNS = [
    "log", "format", "window", "rail", "samples", "mean_w", "max_w", "duration_s", "energy_j",
    "clock", "runs", "mean_ms", "median_ms", "least_ms", "most_ms", "deviation_ms", "kind", "notes",
]  # fmt: skip


def report(
    path: Path,
    *,
    format: str | None = None,
    declared: Declared = NOTHING,
    events: Path | None = None,
    window: Window | None = None,
    max_gap: float | None = None,
) -> pd.DataFrame:
    """Rows of a log; see COLUMNS.

    Args:
        format, declared: as for `read_log`.
        events, window: as for `windows_of`.
        max_gap: as for `energy_table`.

    Raises:
        LogError: the log supports no such figure.
    """
    log = read_log(path, format, declared)
    if isinstance(log, LatencyLog):
        return latency_row(log).reindex(columns=COLUMNS)
    tables = [power_rows(log, one, max_gap) for one in windows_of(log, events, window)]
    return pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS)


def windows_of(
    log: PowerLog, events: Path | None = None, window: Window | None = None
) -> Sequence[Window | None]:
    """The stretches to tell of: the one asked for, those of the events, the marks, or all of it.

    Raises:
        LogError: the events can't be read, or lie outside the log.
    """
    if window is not None:
        return [window]
    if events is not None:
        return read_events(events, log)
    return log.marks or [None]


def power_rows(
    log: PowerLog, window: Window | None = None, max_gap: float | None = None
) -> pd.DataFrame:
    """A row a rail, and one for the whole device where its rails are known.

    Raises:
        LogError: the log does not support a figure of that window.
    """
    table = energy_table(log, window, max_gap=max_gap)
    return table.assign(
        log=log.source,
        format=log.format,
        window=window.name if window else "all",
        clock=log.clock,
        # Seconds and joules by a nominal interval rest on an assumed constant.
        kind="estimated" if log.clock == "nominal" else log.kind,
        notes="; ".join(log.notes),
    )


def latency_row(log: LatencyLog) -> pd.DataFrame:
    """One row: how long a run took."""
    told = ("runs", "mean_ms", "median_ms", "least_ms", "most_ms", "deviation_ms", "duration_s")
    row = {name: getattr(log, name) for name in told}
    return pd.DataFrame([{**row, "log": log.source, "format": log.format, "kind": "measured"}])
