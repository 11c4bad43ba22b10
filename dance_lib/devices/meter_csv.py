"""Tables of power meters as csv: INA219 and INA3221 boards, bench meters, and what logs like them.

A column of time, and of each rail its power, or its current and its voltage.
"""

import csv
import re
from dataclasses import dataclass
from io import StringIO

import numpy as np
import pandas as pd

from dance_lib.devices.cells import (
    check_forward,
    check_power,
    check_supply,
    is_date,
    number,
    since_first,
    start_of,
)
from dance_lib.devices.columns import WHOLE, Choice, Column, choose, column, scale
from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.power import Clock, LogError, PowerLog

DATES = "datetime"  # the unit to declare for a column of dates and times

_COMMA = re.compile(r"[+-]?[0-9]+,([0-9]+)")


@dataclass(frozen=True)
class _Table:
    source: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def cells(self, one: Column) -> list[str]:
        return [row[one.place] for row in self.rows]

    def where(self, one: Column) -> list[str]:
        return [f"{self.source}, line {line}, column '{one.name}'" for line in self.lines]


def recognises(head: str) -> bool:
    """Whether the first line is a header with a column of power, current or voltage."""
    first = next((line for line in head.splitlines() if line.strip()), "")
    if first.startswith("App,Package") or re.search("(current|voltage|power)_now", first):
        return False  # Trepn, Android's power_supply
    try:
        table = _table("", first)
    except LogError:
        return False
    roles = {column(place, text).role for place, text in enumerate(table.header)}
    return len(table.header) > 1 and bool(roles & {"power", "current", "voltage"})


def read(source: str, text: str, declared: Declared) -> PowerLog:
    """Power of every rail.

    Raises:
        LogError: columns or units that are not clear, cells that are empty or no numbers, values
            that contradict their unit, negative power, or time that does not go forward.
    """
    table = _table(source, text)
    choice = choose(source, table.header, declared.columns)
    if not table.rows:
        raise LogError(f"{source}: a header and no sample below it")
    notes = [f"column '{name}' left out: not the power at a time" for name in choice.aside]
    comma = _decimal_comma(table, choice)
    times, start, clock = _times(table, choice.time, declared.interval, comma, notes)
    watts = {}
    for rail, columns in choice.rails.items():
        values = [_numbers(table, one, comma) * scale(source, one) for one in columns]
        if len(columns) == 2:
            check_supply(f"{source}, column '{columns[1].name}'", values[1])
        watts[rail] = np.prod(values, axis=0)
        below = np.flatnonzero(watts[rail] < 0)
        if len(below):
            raise LogError(
                f"{table.where(columns[0])[below[0]]}: negative power; is the shunt the wrong "
                "way round, or a battery being charged?"
            )
    frame = pd.DataFrame(watts, index=times)
    check_power(source, frame)
    if WHOLE in watts:
        notes.append("the column whose header names no rail is taken to feed the whole device")
    else:
        notes.append("which rails feed the whole device is not known, so there is no total")
    return PowerLog(
        source=source,
        format=FORMAT.name,
        watts=frame,
        total=(WHOLE,) if WHOLE in watts else (),
        clock=clock,
        start=start,
        notes=tuple(notes),
    )


def _table(source: str, text: str) -> _Table:
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = [mark for mark in ",;\t" if mark in re.sub(r'"[^"]*"', "", first)]
    if len(found) > 1:
        raise LogError(
            f"{source}: the header has {' and '.join(map(repr, found))}, so which one separates "
            "the columns is not clear; quote names, or use one of them"
        )
    separator = found[0] if found else ","
    reader = csv.reader(StringIO(text), delimiter=separator, strict=True, skipinitialspace=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise LogError(f"{source}, line {reader.line_num}: is no line of csv ({error})") from error
    if not rows:
        raise LogError(f"{source}: no header in it")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise LogError(
                f"{source}, line {line}: {len(row)} cells, but the header has {len(rows[0])}; "
                "mend or delete the line"
            )
    return _Table(source, rows[0], rows[1:], lines[1:])


def _decimal_comma(table: _Table, choice: Choice) -> bool:
    """Whether numbers are written with a decimal comma; a comma for thousands is none.

    Raises:
        LogError: it cannot be told.
    """
    used = [one for columns in choice.rails.values() for one in columns]
    if choice.time and not is_date(table.rows[0][choice.time.place]):
        used.append(choice.time)
    cells = [cell.strip() for one in used for cell in table.cells(one)]
    after = [found[1] for cell in cells if (found := _COMMA.fullmatch(cell))]
    if not after:
        return False
    if any("." in cell for cell in cells) or all(len(digits) == 3 for digits in after):
        raise LogError(
            f"{table.source}: a comma in numbers that can be of decimals or of thousands; write "
            "numbers with a decimal point and no other mark"
        )
    return True


def _numbers(table: _Table, one: Column, comma: bool) -> np.ndarray:
    cells = [cell.replace(",", ".", 1) for cell in table.cells(one)] if comma else table.cells(one)
    return np.array([number(*pair) for pair in zip(table.where(one), cells, strict=True)])


def _times(
    table: _Table, one: Column | None, interval: float | None, comma: bool, notes: list[str]
) -> tuple[np.ndarray, pd.Timestamp | None, Clock]:
    """Seconds since the first sample, the clock's time at it, and which clock."""
    if one is None:
        if interval is None or not (np.isfinite(interval) and interval > 0):
            raise LogError(
                f"{table.source}: no column of time in its header; declare which one it is, or "
                "the interval between samples in seconds"
            )
        notes.append(f"no times in the log: {interval:g} s between samples is nominal, not exact")
        return np.arange(len(table.rows)) * interval, None, "nominal"
    where = table.where(one)
    start: pd.Timestamp | None
    if one.unit == DATES or is_date(table.rows[0][one.place]):
        if one.unit not in (None, DATES):
            notes.append(f"column '{one.name}' holds dates and times, unlike its header says")
        seconds, start = since_first(where, table.cells(one))
    else:
        unit = scale(table.source, one)
        raw = _numbers(table, one, comma)
        words = set(re.split(r"[\W_]+", one.name.lower()))
        start = start_of(where[0], float(raw[0]) * unit, bool(words & {"epoch", "unix"}))
        seconds = (raw - raw[0]) * unit  # first the difference: microseconds since 1970 are large
    check_forward(where, seconds)
    return seconds, start, "recorded"


FORMAT = Format("csv", recognises, read)
