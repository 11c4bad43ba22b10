"""Csv exports of Trepn, Qualcomm's profiler of Android phones.

A preamble, then a table in which every metric has a column of time (ms) before it, then, after an
empty line, the average of every metric. The power is that of the battery, in µW.
"""

import re
from datetime import datetime

import numpy as np
import pandas as pd

from dance_lib.devices.cells import UPTIME_S, check_forward, check_power, number
from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.power import GAP, LogError, PowerLog
from dance_lib.devices.trepn_table import TIME, Table, read_table

RAIL = "Battery Power"
DISCHARGING = "3"  # Android's BatteryManager.BATTERY_STATUS_DISCHARGING
AGREES = 1e-6  # relative: averages are printed in full

_POWER = re.compile(r"Battery Power\*? \[(.*?)\](?: \((Raw|Delta)\))?")
_WATTS = {"uW": 1e-6, "mW": 1e-3, "W": 1.0}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_START = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}) @ (\d\d):(\d\d):(\d\d) ([AP])M", re.ASCII)


def recognises(head: str) -> bool:
    """Whether the first line is that of Trepn's preamble."""
    return next((line for line in head.splitlines() if line.strip()), "").startswith("App,Package")


def read(source: str, text: str, declared: Declared) -> PowerLog:
    """Power of the battery, at the times of its own column.

    Raises:
        LogError: no table or no power in it, cells that are empty or no numbers, sampling that
            stops before that of other metrics, negative power, or an average that contradicts.
    """
    table = read_table(source, text)
    power, time, scale = _places(table)
    used = _sampled(table, power, time)
    where = [place for place, there in zip(table.where(power), used, strict=True) if there]
    watts = scale * _numbers(table, power, used)
    below = np.flatnonzero(watts < 0)
    if len(below):
        raise LogError(f"{where[below[0]]}: negative power; was the battery being charged?")
    seconds = _numbers(table, time, used) / 1000
    if not 0 <= seconds[0] <= UPTIME_S:
        raise LogError(f"{where[0]}: begins at {seconds[0]:g} s, which is no time since a start")
    check_forward(where, seconds)
    _check_to_the_end(table, time, seconds)
    frame = pd.DataFrame({RAIL: watts}, index=seconds - seconds[0])
    check_power(source, frame)
    notes = [_compare(table, power, used, watts / scale)]
    marked = "*" in table.header[power]
    notes.append("power by the fuel gauge of the battery" + (", estimated" if marked else ""))
    charging = [status for status in _statuses(table) if status != DISCHARGING]
    if charging:
        notes.append("the battery was not only discharging, so its power is not the device's")
    return PowerLog(
        source=source,
        format=FORMAT.name,
        watts=frame,
        total=() if charging else (RAIL,),
        clock="recorded",
        start=_start(table, float(seconds[0])),
        kind="estimated" if marked else "measured",  # what * says by Trepn's own remark
        notes=tuple(notes),
    )


def _places(table: Table) -> tuple[int, int, float]:
    """Where the power is, where its time is, and what one unit of it is in W."""
    found = [
        (place, name[1])
        for place, text in enumerate(table.header)
        if (name := _POWER.fullmatch(text)) and name[2] != "Delta"
    ]
    if len(found) != 1:
        what = "no column" if not found else "more than one column"
        raise LogError(
            f"{table.source}: {what} of battery power, as 'Battery Power* [uW] (Raw)'; choose it "
            "as a data point of Trepn and export again"
        )
    power, unit = found[0]
    if unit not in _WATTS:
        raise LogError(f"{table.source}, column '{table.header[power]}': no unit of power")
    time = TIME.fullmatch(table.header[power - 1])
    if not time or time[1] != "ms":
        raise LogError(
            f"{table.source}, column '{table.header[power]}': no column 'Time [ms]' before it"
        )
    return power, power - 1, _WATTS[unit]


def _sampled(table: Table, power: int, time: int) -> list[bool]:
    """Which rows have a sample of power: all up to the last one that has."""
    there = [bool(a or b) for a, b in zip(table.column(power), table.column(time), strict=True)]
    count = sum(there)
    if not count:
        raise LogError(f"{table.source}: no sample in column '{table.header[power]}'")
    if not all(there[:count]):
        raise LogError(
            f"{table.where(power)[there.index(False)]}: sampling of power stops and begins anew; "
            "keep one part"
        )
    return there


def _numbers(table: Table, place: int, used: list[bool]) -> np.ndarray:
    cells = zip(table.where(place), table.column(place), used, strict=True)
    return np.array([number(where, cell) for where, cell, there in cells if there])


def _check_to_the_end(table: Table, time: int, seconds: np.ndarray) -> None:
    """Refuse power whose samples end long before those of another metric."""
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    for place, name in enumerate(table.header):
        if place == time or not TIME.fullmatch(name):
            continue
        last = next(filter(None, reversed(table.column(place))), None)
        if last is None:
            continue
        ends = number(f"{table.source}, line {table.lines[-1]}, column '{name}'", last) / 1000
        if ends > seconds[-1] + GAP * step:
            raise LogError(
                f"{table.source}: sampling of power stops at {seconds[-1]:g} s, but that of "
                f"another metric (column {place + 1}) goes on to {ends:g} s; cut the export there"
            )


def _compare(table: Table, power: int, used: list[bool], raw: np.ndarray) -> str:
    """Hold Trepn's own average against the samples'; what is to be said of it."""
    name = table.header[power].partition(" [")[0]
    found = [row for row in table.statistics if len(row) == 4 and row[1].strip() == name]
    if len(found) != 1:
        return "no average of power in the export to check the samples against"
    told = number(f"{table.source}, average of '{name}'", found[0][3])
    means = {"power": raw.mean()}
    after = power + 1
    if after < len(table.header) and table.header[after].endswith("(Delta)"):
        means["power above Trepn's baseline (Delta)"] = _numbers(table, after, used).mean()
    for what, mean in means.items():
        if abs(told - mean) <= AGREES * max(abs(mean), 1.0):
            return f"Trepn's average, {told:g}, agrees with the samples: it is that of {what}"
    raise LogError(
        f"{table.source}: Trepn's average of '{name}', {told:g}, is not that of the samples "
        f"({', '.join(f'{mean:g}' for mean in means.values())}); lines were lost or changed"
    )


def _statuses(table: Table) -> set[str]:
    if "Battery Status" not in table.header:
        return set()
    return set(table.column(table.header.index("Battery Status"))) - {""}


def _start(table: Table, first: float) -> pd.Timestamp | None:
    """The clock's time at the first sample, where the preamble tells one."""
    for cell in (cell for row in table.preamble for cell in row):
        found = _START.fullmatch(cell.strip())
        if found and found[1] in _MONTHS:
            day, year, hour, minute, second = (int(found[place]) for place in range(2, 7))
            hour = hour % 12 + (12 if found[7] == "P" else 0)
            try:
                start = datetime(year, _MONTHS.index(found[1]) + 1, day, hour, minute, second)
            except ValueError:
                return None
            return pd.Timestamp(start) + pd.Timedelta(seconds=first)
    return None


FORMAT = Format("trepn", recognises, read)
