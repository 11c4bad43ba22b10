"""What a battery tells of the power drawn from it: by its current, or by the charge it has left.

Shared by the readers of logs from Android: there the battery feeds the whole device as long as
nothing else does, and the drivers that read it differ in unit and sign.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError

RAIL = "battery"
VOLTS = (2.5, 25.0)  # an empty lithium cell; six full ones in series. 1000 times off is outside
LEAST_W = 0.05  # awake and logging draws more; in mA taken for µA, this were 12 A of a phone
LEAST_ASLEEP_W = 0.001  # for logs that the system keeps while the device sleeps
MOST_W = 100.0  # no battery that is carried in a hand
LEAST_STEPS = 4  # of a charge counter; each is seen late by up to the time between two readings
MOST_PIECES = 10_000  # of a log whose steps differ in length

UNITS = {
    "time": {"s": 1.0, "ms": 1e-3},
    "current": {"µA": 1e-6, "μA": 1e-6, "uA": 1e-6, "mA": 1e-3, "A": 1.0},
    "voltage": {"µV": 1e-6, "μV": 1e-6, "uV": 1e-6, "mV": 1e-3, "V": 1.0},
    "power": {"µW": 1e-6, "μW": 1e-6, "uW": 1e-6, "mW": 1e-3, "W": 1.0},
}
EPOCH = 1e9  # seconds; what is later than 2001 is a date, since no device has been up 31 years


def factors(source: str, declared: Declared, roles: Sequence[str]) -> dict[str, tuple[str, float]]:
    """By role the declared name and what its unit is in s, A, V or W."""
    found = {}
    for role, (name, unit) in declared.columns.items():
        if role not in roles:
            raise LogError(
                f"{source}: a column was declared as {role!r}; this format has {', '.join(roles)}"
            )
        if unit not in UNITS[role]:
            raise LogError(
                f"{source}: {name!r} was declared in {unit!r}; for {role} there is "
                f"{', '.join(UNITS[role])}"
            )
        found[role] = (name, UNITS[role][unit])
    return found


def started(seconds: float) -> pd.Timestamp | None:
    """The date that a time is, or None where it counts from something else than 1970."""
    if not EPOCH <= seconds < 10 * EPOCH:
        return None
    return pd.Timestamp(round(seconds * 1000), unit="ms", tz="UTC")


def check_volts(source: str, volts: np.ndarray, what: str) -> None:
    """Refuse voltages that no battery has."""
    low, high = VOLTS
    odd = np.flatnonzero(~((volts >= low) & (volts <= high)))
    if len(odd):
        raise LogError(
            f"{source}: {what} of reading {odd[0] + 1} would be {volts[odd[0]]:g} V, and a "
            f"battery has {low:g} to {high:g} V: an emulator, no battery, or another unit; for a "
            f'unit, declare it, such as voltage: ("{what}", "mV")'
        )


def check_watts(source: str, watts: np.ndarray, least: float, remedy: str) -> None:
    """Refuse a power that contradicts the unit it was read in."""
    mean, most = float(watts.mean()), float(watts.max())
    if mean < least or most > MOST_W:
        raise LogError(
            f"{source}: would be {mean:g} W on average and {most:g} W at most, and a device draws "
            f"{least:g} to {MOST_W:g} W: some drivers have another unit than documented; {remedy}"
        )


def drawn(source: str, signed: np.ndarray, status: Sequence[str] | None) -> np.ndarray:
    """What a battery gives, positive, from a current or power of either sign.

    By the kernel's documentation it is negative while discharging; some drivers turn that round.
    Either sign is taken where `status` says that the battery was discharged all the time.

    Raises:
        LogError: charged, or fed by something else, in part of the log; or nobody can tell.
    """
    odd = next((word for word in status or () if word != "Discharging"), None)
    if odd is not None:
        raise LogError(
            f"{source}: status is {odd!r} in it; unless it is Discharging, something else feeds "
            "the device, and the battery's current is not the device's; log without a cable"
        )
    if (signed < 0).any() and (signed > 0).any():
        raise LogError(
            f"{source}: the sign changes, so the battery was charged in part of the log, and its "
            "current is not the device's; log without a cable, and `status` beside it"
        )
    if status is None and (signed > 0).any():
        raise LogError(
            f"{source}: a positive sign is charging by the kernel's documentation, though some "
            "drivers turn it round; log `status` too, which tells"
        )
    return np.abs(signed)


def drawn_by_charge(
    source: str, times: np.ndarray, coulombs: np.ndarray, volts: np.ndarray
) -> tuple[pd.DataFrame, float]:
    """Mean power between two steps of a charge counter: lost charge × mean voltage / time.

    A counter stands still between its steps, so when it stepped to the first reading is not known:
    power is told from the first step that was seen to the last. A step may have been any time
    since the reading before. So steps that follow each other faster than that are taken together:
    no stretch of power is shorter than the time that may lie between a step and its being seen.

    Each stretch has a sample at its start, one a rounding error before its end, and, since
    stretches differ in length and none is a gap (the counter counts on while nobody reads it),
    equal ones between. So the trapezoid rule from one step to another is the sum of what the
    stretches took, but for rounding.

    Args:
        times: seconds of the readings, never falling; of readings at one time the last counts.
        coulombs: left in the battery. volts: the battery's.

    Returns:
        Watts since the first step, and the time of that step.

    Raises:
        LogError: the counter rises, stands still, or makes too few steps.
    """
    if (np.diff(times) < 0).any():
        at = int(np.flatnonzero(np.diff(times) < 0)[0])
        raise LogError(f"{source}: time does not go forward at reading {at + 2}; cut the log there")
    last = np.append(np.diff(times) > 0, True)
    times, coulombs, volts = times[last], coulombs[last], volts[last]
    steps = np.diff(coulombs)
    if (steps > 0).any():
        at = times[np.flatnonzero(steps > 0)[0] + 1] - times[0]
        raise LogError(
            f"{source}: the charge counter rises {at:g} s after the first reading: the battery "
            "was charged, or the counter corrected; cut the log there"
        )
    if not steps.any():
        raise LogError(
            f"{source}: the charge counter never moves: an emulator, a device without a counter, "
            "or too short a log"
        )
    seen: list[int] = []
    late = np.diff(times, prepend=times[0])  # at most
    for step in np.flatnonzero(steps) + 1:
        if not seen or times[step] - times[seen[-1]] >= max(late[step], late[seen[-1]]) - 1e-6:
            seen.append(int(step))
    if len(seen) < LEAST_STEPS:
        raise LogError(
            f"{source}: the charge counter makes {len(seen)} step{'s' * (len(seen) > 1)} whose "
            f"times are known, and {LEAST_STEPS} are needed; log for longer, or more often"
        )
    since = times - times[seen[0]]
    piece = max(np.diff(since[seen]).min(), since[seen[-1]] / MOST_PIECES)
    knots, watts = [], []
    for first, end in pairwise(seen):
        span = slice(first, end + 1)
        seconds = since[end] - since[first]
        energy = (coulombs[first] - coulombs[end]) * (
            np.trapezoid(volts[span], since[span]) / seconds
        )
        own = np.linspace(since[first], since[end], int(np.ceil(seconds / piece - 1e-9)) + 1)
        if end != seen[-1]:
            own[-1] = np.nextafter(own[-1], own[0])
        knots.append(own)
        watts.append(np.full(len(own), energy / seconds))
    index = pd.Index(np.concatenate(knots), name="seconds")
    return pd.DataFrame({RAIL: np.concatenate(watts)}, index=index), float(times[seen[0]])


def note_of_charge(since: float) -> str:
    """What a reader of figures by the charge counter has to know."""
    return (
        "power is the mean between two steps of the charge counter; the log counts from the "
        f"first step, {since:g} s after the first reading"
    )
