"""Samples of /sys/class/power_supply/battery, as a script on an Android device writes them.

A table with commas. Its header has the names of the kernel's attributes and a time, `time_s` or
`time_ms` since anything: `time_s,current_now,voltage_now,status`. `current_now` and `voltage_now`
make the power; without them `power_now` is it. Other columns are left alone.

Specification: the Linux kernel, Documentation/ABI/testing/sysfs-class-power: current in µA and
voltage in µV, current negative while discharging, status one of Unknown, Charging, Discharging,
Not charging, Full. It names no unit for power_now: µW is that of its input_power_limit, and goes
with the µV, µA, µAh and µWh of Documentation/power/power_supply_class.rst. Drivers deviate, in
unit (github.com/google/perfetto/issues/1441: µA documented, mA reported) and in sign, so figures
that no battery has are refused.
"""

import re

import numpy as np
import pandas as pd

from dance_lib.devices import battery
from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.power import LogError, PowerLog

TIMES = {"time_s": 1.0, "time_ms": 1e-3}
ATTRIBUTES = {"current": "current_now", "voltage": "voltage_now", "power": "power_now"}
MICRO = 1e-6  # what the kernel's documentation has everywhere
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
# Fuel gauges renew their figures some ten times a second to once in a minute: steps outside this
# say that the unit of the time is another.
STEP_S = (0.01, 300.0)
REMEDY = 'declare the unit, such as current: ("current_now", "mA")'


def _recognises(head: str) -> bool:
    names = [name.strip() for name in head.lstrip().split("\n", 1)[0].split(",")]
    return any(name in TIMES for name in names) and ("current_now" in names or "power_now" in names)


def _read(source: str, text: str, declared: Declared) -> PowerLog:
    header, rows = _table(source, text)
    columns = _columns(source, header, battery.factors(source, declared, list(battery.UNITS)))
    if not rows:
        raise LogError(f"{source}: a header and no sample below it")
    values = {}
    for role, (name, factor) in columns.items():
        at = header.index(name)
        values[role] = np.array([_number(source, line, name, row[at]) for line, row in rows])
        values[role] *= factor
    status = None
    if "status" in header:
        status = [row[header.index("status")] for _, row in rows]
    if "current" in values:
        battery.check_volts(source, values["voltage"], columns["voltage"][0])
        signed = values["current"] * values["voltage"]
    else:
        signed = values["power"]
    watts = battery.drawn(source, signed, status)
    told = {"current", "power"} & set(declared.columns)
    battery.check_watts(source, watts, 0.0 if told else battery.LEAST_W, REMEDY)
    seconds = values["time"]
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    if step > 0 and not STEP_S[0] <= step <= STEP_S[1]:
        raise LogError(
            f"{source}: {step:g} s between two samples by {columns['time'][0]}, where a battery is "
            f"sampled every {STEP_S[0]:g} to {STEP_S[1]:g} s; head the column by the unit it has"
        )
    index = pd.Index(seconds - seconds[0], name="seconds")
    return PowerLog(
        source=source,
        format="power_supply",
        watts=pd.DataFrame({battery.RAIL: watts}, index=index),
        total=(battery.RAIL,),
        clock="recorded",
        start=battery.started(float(seconds[0])),
        notes=() if status else ("no status was logged; a negative sign is taken as discharging",),
    )


def _table(source: str, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows; a row with the number of its line."""
    lines = [
        (number, [cell.strip() for cell in line.split(",")])
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    if not lines:
        raise LogError(f"{source}: is empty")
    header = lines[0][1]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise LogError(f"{source}: its header has {twice!r} twice")
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise LogError(
                f"{source}: line {number} has {len(row)} cells, and the header {len(header)}"
            )
    return header, lines[1:]


def _columns(
    source: str, header: list[str], told: dict[str, tuple[str, float]]
) -> dict[str, tuple[str, float]]:
    """By role the column and its unit: as declared, else as the kernel documents it."""
    found = dict(told)
    for role, name in ATTRIBUTES.items():
        if role not in found and name in header:
            found[role] = (name, MICRO)
    times = [name for name in TIMES if name in header]
    if "time" not in found:
        if len(times) != 1:
            raise LogError(f"{source}: {len(times)} time columns; there must be time_s or time_ms")
        found["time"] = (times[0], TIMES[times[0]])
    for role, (name, _) in told.items():
        if name not in header:
            raise LogError(
                f"{source}: no column {name!r}, declared as {role}; it has {', '.join(header)}"
            )
    if "current" in found and "voltage" not in found:
        raise LogError(f"{source}: a current without voltage_now makes no power")
    if "current" not in found and "power" not in found:
        raise LogError(
            f"{source}: neither current_now nor power_now in it, so it supports no figure of power"
        )
    chosen = ("time", "current", "voltage") if "current" in found else ("time", "power")
    return {role: found[role] for role in chosen}


def _number(source: str, line: int, name: str, cell: str) -> float:
    if not NUMBER.fullmatch(cell):
        raise LogError(f"{source}: line {line}: {name} is {cell[:40]!r}, and no number")
    return float(cell)


FORMAT = Format("power_supply", _recognises, _read)
