"""Numbers and times out of the cells of a table, and bounds within which they can be meant."""

import re
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd

from dance_lib.devices.power import LogError

# A value outside of these is not what its unit says; it is refused, never scaled by guess.
SUPPLY_V = (1.0, 60.0)  # one cell, up to where a voltage is no longer safe to touch (IEC 61140);
# INA219 (TI SBOS448) and INA3221 (TI SBOS576) measure a bus of 0 to 26 V
POWER_W = (1e-3, 1e3)  # of all rails: a sleeping microcontroller, a workstation
STEP_S = (1e-5, 3600.0)  # mean: a fast bench meter, a meter of a household
EPOCH_S = (946_684_800.0, 4_102_444_800.0)  # 2000 and 2100, in seconds since 1970
LARGEST = 1e19  # more than the nanoseconds from 1970 to 2100; and products stay finite
UPTIME_S = 1e8  # three years: no log and no device runs longer

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]{1,9}))? ?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def number(where: str, cell: str) -> float:
    """The number in a cell.

    Raises:
        LogError: the cell is empty, or holds anything else.
    """
    cell = cell.strip()
    if not cell:
        raise LogError(f"{where}: no value; delete the line, or cut the log there")
    if not _NUMBER.fullmatch(cell):
        raise LogError(f"{where}: {cell[:40]!r} is no number; mend or delete the line")
    value = float(cell)
    if abs(value) > LARGEST:
        raise LogError(f"{where}: {cell[:40]!r} is too large; mend or delete the line")
    return value


def is_date(cell: str) -> bool:
    """Whether a cell holds a date and time: year, month, day, and seconds at the least."""
    return _DATE.fullmatch(cell.strip()) is not None


def date(where: str, cell: str) -> datetime:
    """The date and time in a cell, to the microsecond.

    Raises:
        LogError: there is none in it.
    """
    found = _DATE.fullmatch(cell.strip())
    try:
        if not found:
            raise ValueError
        year, month, day, hour, minute, second = (int(found[place]) for place in range(1, 7))
        micro = int((found[7] or "0").ljust(6, "0")[:6])
        zone = None
        if found[8]:
            digits = "+0000" if found[8] == "Z" else found[8].replace(":", "")
            offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:]))
            zone = timezone(-offset if digits[0] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, micro, zone)
    except ValueError as error:
        raise LogError(
            f"{where}: {cell.strip()[:40]!r} is no date and time (YYYY-MM-DD HH:MM:SS)"
        ) from error


def since_first(where: list[str], cells: list[str]) -> tuple[np.ndarray, pd.Timestamp]:
    """Seconds since the first of some dates, and the first of them."""
    dates = [date(place, cell) for place, cell in zip(where, cells, strict=True)]
    for place, one in zip(where, dates, strict=True):
        if (one.tzinfo is None) != (dates[0].tzinfo is None):
            raise LogError(f"{place}: with a time zone or without, unlike the first time")
    first = dates[0]
    seconds = np.array([(one - first).total_seconds() for one in dates])
    return seconds, pd.Timestamp(first)


def check_forward(where: list[str], seconds: np.ndarray) -> None:
    """Refuse times that stand still or go back, or whose mean step is none of a meter's."""
    back = np.flatnonzero(np.diff(seconds) <= 0)
    if len(back):
        raise LogError(
            f"{where[back[0] + 1]}: time does not go forward; cut the log there, or log with "
            "finer times if several samples share one"
        )
    if len(seconds) > 1:
        step = float(seconds[-1] - seconds[0]) / (len(seconds) - 1)
        _check(f"{where[0]}: a mean step", step, STEP_S, "s", "is the unit of time right?")


def start_of(where: str, first: float, epoch: bool) -> pd.Timestamp | None:
    """The clock's time (UTC) at a first time in seconds, if it counts from 1970 and not from boot.

    Raises:
        LogError: it is neither, or said to count from 1970 and does not.
    """
    if EPOCH_S[0] <= first <= EPOCH_S[1]:
        return pd.Timestamp(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=first))
    if epoch or not 0 <= first <= UPTIME_S:
        raise LogError(
            f"{where}: {first:g} s is no time since 1970 (of the years 2000 to 2100), nor since "
            "a device or a log began; is the unit of time right? Declare it"
        )
    return None


def check_power(source: str, watts: pd.DataFrame) -> None:
    """Refuse power that its unit contradicts: all rails together, on the mean and at most."""
    total = watts.sum(axis=1).to_numpy(dtype=float)
    remedy = "is the unit of power right?"
    _check(f"{source}: mean power", float(total.mean()), POWER_W, "W", remedy)
    _check(f"{source}: the highest power", float(total.max()), POWER_W, "W", remedy)


def check_supply(where: str, volts: np.ndarray) -> None:
    """Refuse a voltage that its unit contradicts: the middle one, and the highest."""
    for what, value in (("the median", np.median(volts)), ("the highest", volts.max())):
        _check(f"{where}: {what}", float(value), SUPPLY_V, "V", "is the unit of voltage right?")


def _check(what: str, value: float, bounds: tuple[float, float], unit: str, remedy: str) -> None:
    if not bounds[0] <= value <= bounds[1]:
        raise LogError(
            f"{what} of {value:g} {unit} is outside of {bounds[0]:g} to {bounds[1]:g} {unit}; "
            f"{remedy} Declare it"
        )
