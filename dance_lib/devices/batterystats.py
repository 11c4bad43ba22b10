"""Battery history that Android keeps: `dumpsys batterystats -c` (checkin) or `--history`.

A history item has the time since the one before (checkin: `9,h,<ms>,Bl=98,Bv=4012,Bcc=3210`) or
since the first (to be read by people: `+1h02m03s004ms (2) 098 volt=4012 charge=3210`), and what has
changed since the item before: level, status, plug, voltage in mV, remaining charge in whole mAh.
Other items say RESET, TIME, SHUTDOWN, START, *OVERFLOW*.

Power is what the charge lost between two of its steps × mean voltage / time;
`battery.drawn_by_charge` says how that becomes samples. It is told for the one stretch of the
history in which nothing was plugged in and the battery discharged: before it and after it, the
cable by which adb reset and dumped the history may be there. Two such stretches are refused, and
so is a history that the system reset, cut, or that goes on after the device was off.

Specification: AOSP frameworks/base, core/java/android/os/BatteryStats.java (HistoryPrinter, of
Android 6 and later: `charge` is the counter's µAh / 1000) and, for the times to be read by people,
core/java/android/util/TimeUtils.java (formatDuration). Later versions print a history to be read by
people with times of day and no year (`[Format: 2]`): refused, since `-c` tells more.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from dance_lib.devices import battery
from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.power import LogError, PowerLog

COULOMBS_PER_MAH = 3.6
ITEM = re.compile(r"9,h,([0-9]{1,13})(?::([A-Z*]+(?::TIME)?)(?::([0-9]{1,14}))?|((?:,[^,]*)*))")
SECTION = re.compile(r"9,(?!h,)[a-z0-9]+,.*")  # other records of a checkin
READABLE = re.compile(
    r" +(?:0|\+(?:([0-9]{1,3})d)?(?:([0-9]{1,2})h)?(?:([0-9]{1,2})m)?(?:([0-9]{1,2})s)?"
    r"([0-9]{1,3})ms) \([0-9]{1,6}\) (?:([A-Z*]+(?::TIME)?)(?:: ([0-9-]{1,30}))?|([0-9]{3}.*))"
)
UNITS_MS = (86_400_000, 3_600_000, 60_000, 1000, 1)
HEADS = re.compile(r"^(?:9,h,[0-9]|9,hsp,[0-9]|9,0,i,vers,|Battery History\b)", re.MULTILINE)
FIELDS = {"Bs": "status", "Bp": "plug", "Bv": "volt", "Bt": "temp", "Bcc": "charge"}
WORDS = {"status": {"d": "discharging"}, "plug": {"n": "none"}}
RESTARTS = ("START", "RESET:TIME", "*OVERFLOW*")


class Item(NamedTuple):
    """One of a history: its line, ms since the first, what it tells or which command it is."""

    line: int
    ms: int
    command: str
    date: str
    fields: dict[str, str]


def _recognises(head: str) -> bool:
    return HEADS.search(head) is not None


def _read(source: str, text: str, declared: Declared) -> PowerLog:
    lines = text.splitlines()
    checkin = any(line.startswith("9,") for line in lines)
    items = list(_checkin(source, lines) if checkin else _readable(lines))
    if not items and "[Format: 2]" in text:
        raise LogError(
            f"{source}: a history of format 2, with dates that lack the year; dump it by "
            "`dumpsys batterystats -c`"
        )
    if not items:
        raise LogError(
            f"{source}: no history of the battery in it; dump it by `dumpsys batterystats -c`"
        )
    readings = _readings(source, items)
    stretches = [list(rows) for free, rows in groupby(readings, key=lambda row: row[3]) if free]
    if not stretches:
        raise LogError(
            f"{source}: at no time was nothing plugged in and the battery discharged, so its "
            "charge does not tell what the device draws"
        )
    if len(stretches) > 1:
        raise LogError(
            f"{source}: the battery was charged in between: {len(stretches)} stretches without a "
            "cable; cut the log after the first, or reset (`dumpsys batterystats --reset`) before "
            "what is to be measured"
        )
    ms, charge, volts, _ = np.array(stretches[0], dtype=float).T
    battery.check_volts(source, volts, "voltage")
    frame, first = battery.drawn_by_charge(source, ms / 1000, charge * COULOMBS_PER_MAH, volts)
    battery.check_watts(
        source, frame[battery.RAIL].to_numpy(), battery.LEAST_ASLEEP_W, "the log supports no figure"
    )
    return PowerLog(
        source=source,
        format="batterystats",
        watts=frame,
        total=(battery.RAIL,),
        clock="recorded",
        start=_start(source, items, first, checkin),
        notes=(battery.note_of_charge(first - ms[0] / 1000),),
    )


def _checkin(source: str, lines: list[str]) -> Iterator[Item]:
    ms = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip() or SECTION.fullmatch(line):
            continue
        item = ITEM.fullmatch(line)
        if item is None:
            raise LogError(f"{source}: line {number} is no line of a checkin: {line[:40]!r}")
        ms += int(item[1])
        pairs = [part.partition("=") for part in (item[4] or "").split(",") if part]
        fields = {FIELDS[name]: value for name, _, value in pairs if name in FIELDS}
        for name, words in WORDS.items():
            if name in fields:
                fields[name] = words.get(fields[name], fields[name])
        yield Item(number, ms, item[2] or "", item[3] or "", fields)


def _readable(lines: list[str]) -> Iterator[Item]:
    for number, line in enumerate(lines, start=1):
        if item := READABLE.fullmatch(line):
            ms = sum(int(item[at + 1] or 0) * unit for at, unit in enumerate(UNITS_MS))
            said = re.sub('"[^"]*"', "", item[8] or "")  # names of apps and reasons
            pairs = [part.partition("=") for part in said.split()]
            fields = {name: value for name, _, value in pairs if name in FIELDS.values()}
            yield Item(number, ms, item[6] or "", item[7] or "", fields)


def _readings(source: str, items: list[Item]) -> list[tuple[int, int, float, bool]]:
    """Of items in which the battery was read anew: ms, mAh, V, and whether it alone was the source.

    Others repeat what was read before, which tells nothing of when the charge changed.
    """
    known: dict[str, str] = {}
    numbers = {"charge": 0, "volt": 0}
    rows = []
    for line, ms, command, _, fields in items:
        if command in RESTARTS and known:
            raise LogError(
                f"{source}: line {line}: {command} within the history: how long it was interrupted "
                "is not known; cut the log there, or `dumpsys batterystats --reset` and log again"
            )
        if command and command not in (*RESTARTS, "TIME", "SHUTDOWN"):
            raise LogError(f"{source}: line {line}: {command} is no command of a history")
        known |= fields
        for name in numbers.keys() & fields:
            if not re.fullmatch("-?[0-9]{1,9}", fields[name]):
                raise LogError(f"{source}: line {line}: {name} is no number")
            numbers[name] = int(fields[name])
        if not fields:
            continue
        missing = sorted({"status", "plug", "charge", "volt"} - set(known))
        if missing:
            raise LogError(
                f"{source}: line {line}: until there no {' and no '.join(missing)} was logged; "
                "Android tells the remaining charge from version 6 on, where the device counts it"
            )
        free = known["status"] == "discharging" and known["plug"] == "none"
        rows.append((ms, numbers["charge"], numbers["volt"] / 1000, free))
    return rows


def _start(source: str, items: list[Item], first: float, checkin: bool) -> pd.Timestamp | None:
    """When the first sample was, by the last date in the history, which corrects those before."""
    dated = [item for item in items if item.command.endswith("TIME") and item.date]
    if not dated:
        return None
    try:
        date = (
            pd.Timestamp(int(dated[-1].date), unit="ms", tz="UTC")
            if checkin
            else pd.Timestamp(datetime.strptime(dated[-1].date[:19], "%Y-%m-%d-%H-%M-%S"))
        )
        return date + pd.Timedelta(seconds=first - dated[-1].ms / 1000)
    except (ValueError, OverflowError) as error:
        raise LogError(f"{source}: line {dated[-1].line}: {dated[-1].date} is no date") from error


FORMAT = Format("batterystats", _recognises, _read)
