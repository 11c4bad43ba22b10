"""`adb shell dumpsys battery`, taken again and again into one file, each with its time before it.

    while true; do date +%s.%N; dumpsys battery; sleep 5; done

The time is a line of its own, seconds since 1970, `1700000000.123` or `time: 1700000000.123`. With
no time at all the dumps are `Declared.interval` apart, and the clock is nominal.

Power is what the charge counter (µAh) lost between two of its steps × mean voltage (mV) / time;
`battery.drawn_by_charge` says how that becomes samples. Where the device prints its current, and
`Declared.columns` tells the unit, such as `current: ("current now", "mA")`, power is current ×
voltage of each dump instead; no unit is documented for it, so without one it is not used.

Dumps of a device that something else feeds are refused, and those after `dumpsys battery unplug`
or `set`, which stop the values' updates and only pretend.

Specification: AOSP frameworks/base, services/core/java/com/android/server/BatteryService.java
(dumpInternal: the lines; the fields' names in it say their units: batteryChargeCounterUah,
batteryVoltageMillivolts) and core/java/android/os/BatteryManager.java (status 3 is discharging).
`current now` is none of AOSP's lines: some vendors add it.
"""

import re

import numpy as np
import pandas as pd

from dance_lib.devices import battery
from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.power import LogError, PowerLog

DUMP = "Current Battery Service state:"
STOPPED = "UPDATES STOPPED"
TIME = re.compile(r"(?:time: *(?=[0-9])|(?=[0-9]{9}))([0-9]{1,10}(?:\.[0-9]{1,9})?)\s*")
FIELD = re.compile(r"\s+([A-Za-z][A-Za-z ]{0,40}): *(\S.{0,80}?)\s*")
NUMBER = re.compile(r"-?[0-9]{1,12}")
POWERED = ("AC powered", "USB powered", "Wireless powered", "Dock powered")
DISCHARGING = "3"
STATUS = {"1": "unknown", "2": "charging", "4": "not charging", "5": "full"}
COULOMBS_PER_UAH = 3.6e-3
REMEDY = "the charge counter of this device is not in µAh, and its dumps support no figure"
REMEDY_CURRENT = 'declare another unit, such as current: ("current now", "mA")'

Dump = dict[str, str]


def _recognises(head: str) -> bool:
    return any(line.strip() == DUMP for line in head.split("\n"))


def _read(source: str, text: str, declared: Declared) -> PowerLog:
    current = battery.factors(source, declared, ["current"]).get("current")
    dumps, times = _dumps(source, text.splitlines(), current[0] if current else "")
    if len(dumps) < 2:
        raise LogError(
            f"{source}: {len(dumps) or 'no'} dump in it; power needs the difference of several"
        )
    start, seconds = _clock(source, times, len(dumps), declared)
    for number, dump in enumerate(dumps, start=1):
        _check_unplugged(f"{source}: dump {number}", dump)
    volts = _numbers(source, dumps, "voltage") / 1000
    battery.check_volts(source, volts, "voltage")
    notes: tuple[str, ...] = ()
    if current:
        signed = _numbers(source, dumps, current[0]) * current[1] * volts
        watts = battery.drawn(source, signed, ["Discharging"] * len(dumps))
        battery.check_watts(source, watts, 0.0, REMEDY_CURRENT)
        frame = pd.DataFrame({battery.RAIL: watts}, index=pd.Index(seconds, name="seconds"))
    else:
        coulombs = _numbers(source, dumps, "Charge counter") * COULOMBS_PER_UAH
        frame, since = battery.drawn_by_charge(source, seconds, coulombs, volts)
        battery.check_watts(source, frame[battery.RAIL].to_numpy(), battery.LEAST_W, REMEDY)
        start = None if start is None else start + since
        notes = (battery.note_of_charge(since),)
    return PowerLog(
        source=source,
        format="dumpsys battery",
        watts=frame,
        total=(battery.RAIL,),
        clock="recorded" if times else "nominal",
        start=None if start is None else battery.started(start),
        notes=notes,
    )


def _dumps(source: str, lines: list[str], current: str) -> tuple[list[Dump], list[float]]:
    """The dumps, and the times before them, of which there is one for each dump or none at all."""
    known = {*POWERED, "Charge counter", "status", "present", "voltage", current}
    dumps: list[Dump] = []
    times: list[float] = []
    waiting = False  # for the dump of the last time
    for number, line in enumerate(lines, start=1):
        if time := TIME.fullmatch(line):
            if waiting:
                raise LogError(f"{source}: line {number}: a time, and no dump since the last one")
            times.append(float(time[1]))
            waiting = True
        elif line.strip() == DUMP:
            if times and not waiting:
                raise LogError(f"{source}: line {number}: a dump without its time before it")
            dumps.append({})
            waiting = False
        elif STOPPED in line:
            raise LogError(
                f"{source}: line {number}: values were set by hand (`dumpsys battery unplug` or "
                "`set`) and no longer follow the battery; `dumpsys battery reset`, then log again"
            )
        elif dumps and not waiting and (field := FIELD.fullmatch(line)) and field[1] in known:
            if field[1] in dumps[-1]:
                raise LogError(f"{source}: line {number}: {field[1]!r} a second time in one dump")
            dumps[-1][field[1]] = field[2]
    if waiting:
        raise LogError(f"{source}: ends with a time and no dump; cut the log before it")
    if times and len(times) != len(dumps):
        raise LogError(f"{source}: {len(dumps)} dumps and {len(times)} times; each needs its own")
    return dumps, times


def _clock(
    source: str, times: list[float], dumps: int, declared: Declared
) -> tuple[float | None, np.ndarray]:
    """Seconds since 1970 of the first dump, where recorded, and of each one since the first."""
    if times:
        return times[0], np.array(times) - times[0]
    if declared.interval is None:
        raise LogError(
            f"{source}: no times in it; log `date +%s.%N` before each dump, or declare the interval"
        )
    if not 0 < declared.interval < battery.EPOCH:
        raise LogError(f"{source}: an interval of {declared.interval} s was declared")
    return None, np.arange(dumps) * declared.interval


def _check_unplugged(name: str, dump: Dump) -> None:
    if dump.get("present") == "false":
        raise LogError(f"{name} says that there is no battery, as an emulator does")
    for charger in POWERED:
        if dump.get(charger) == "true":
            raise LogError(
                f"{name} says {charger}: the battery's charge is not what the device draws; "
                "log without a cable (adb over Wi-Fi, or a script on the device)"
            )
    status = dump.get("status")
    if status is None:
        raise LogError(f"{name} has no status")
    if status != DISCHARGING:
        raise LogError(
            f"{name} says status {status[:20]} ({STATUS.get(status, 'not known')}), and only 3, "
            "discharging, tells what the device draws"
        )


def _numbers(source: str, dumps: list[Dump], field: str) -> np.ndarray:
    values = []
    for number, dump in enumerate(dumps, start=1):
        if field not in dump:
            raise LogError(f"{source}: dump {number} has no {field!r}")
        if not NUMBER.fullmatch(dump[field]):
            raise LogError(f"{source}: dump {number}: {field} is {dump[field]!r}, and no number")
        values.append(float(dump[field]))
    return np.array(values)


FORMAT = Format("dumpsys battery", _recognises, _read)
