"""When the samples of tegrastats were taken, and where it was started anew."""

import re
from datetime import datetime
from itertools import groupby
from math import isfinite

import numpy as np
import pandas as pd

from dance_lib.devices.power import LogError

DEFAULT_S = 1.0  # tegrastats --interval, where it is not given
ROUNDING_MW = 2.0  # averages are printed as whole mW, some versions round and some cut off

_STAMP = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")


def nominal(source: str, samples: int, interval: float | None) -> tuple[np.ndarray, list[str]]:
    """Times by the interval alone, in seconds, and what is to be said of them."""
    taken = DEFAULT_S if interval is None else interval
    if not (isfinite(taken) and taken > 0):
        raise LogError(f"{source}: an interval of {taken} s between samples is none")
    whence = "tegrastats' default, as none was declared" if interval is None else "declared"
    note = (
        f"no times in the log: {taken:g} s between samples is nominal ({whence}) and not exact "
        "(250 ms were 273 ms where it was checked), so energy is not exact either"
    )
    return np.arange(samples) * taken, [note]


def recorded(
    source: str, stamps: list[tuple[int, str]]
) -> tuple[np.ndarray, pd.Timestamp, list[str]]:
    """Times by date and time, which are whole seconds.

    The n samples of one second lie 1/n s apart from its beginning. The log may begin and end
    within a second: there the step is that of the second next to it, if that is shorter, and the
    samples of the first one lie at its end.

    Args:
        stamps: of each sample the line and the `MM-DD-YYYY HH:MM:SS`.

    Returns:
        Seconds since the first sample, its time on the clock, and what is to be said of them.
    """
    seconds: list[datetime] = []
    counts = []
    for stamp, group in groupby(stamps, key=lambda pair: pair[1]):
        lines = [line for line, _ in group]
        line, now = lines[0], _clock(source, lines[0], stamp)
        if seconds and now <= seconds[-1]:
            raise LogError(
                f"{source}, line {line}: time goes back from {seconds[-1]} to {now}; cut the log "
                "there"
            )
        seconds.append(now)
        counts.append(len(lines))
    times: list[float] = []
    for place, (now, count) in enumerate(zip(seconds, counts, strict=True)):
        beside = {0: counts[:2], len(counts) - 1: counts[-2:]}.get(place, [count])
        step = 1 / max(*beside, count)
        late = 1 - count * step if place == 0 else 0.0
        since = (now - seconds[0]).total_seconds()
        times += [since + late + number * step for number in range(count)]
    note = "times are whole seconds"
    if max(counts) > 1:
        note += "; samples of one second were spread evenly over it"
    start = pd.Timestamp(seconds[0]) + pd.Timedelta(seconds=times[0])
    return np.array(times) - times[0], start, [note]


def discontinuities(current: np.ndarray, average: np.ndarray) -> list[tuple[int, bool]]:
    """Samples at which the running average is not that of the samples before.

    The average of the k-th sample is the mean of all k, in whole mW. A log may begin later than
    tegrastats did, so that k is not known: then the average moves towards the current value, and
    by half the way at most.

    Args:
        current: (samples, rails), mW; average: likewise.

    Returns:
        Of each such sample its number, and whether tegrastats began anew there (current value and
        average are equal on every rail) or lines are missing. Constant power is neither.
    """
    found = []
    seen, total = 0, np.zeros(current.shape[1])  # seen: 0 where it is not known
    for number, (now, mean) in enumerate(zip(current, average, strict=True)):
        begins = bool((now == mean).all())
        if number == 0:
            goes_on = False
        elif seen:
            goes_on = bool((abs((total + now) / (seen + 1) - mean) <= ROUNDING_MW).all())
        else:
            last = average[number - 1]
            least = np.minimum(last, (last + now) / 2) - ROUNDING_MW
            most = np.maximum(last, (last + now) / 2) + ROUNDING_MW
            goes_on = bool(((least <= mean) & (mean <= most)).all())
        if goes_on:
            seen, total = (seen + 1, total + now) if seen else (0, total)
            continue
        if number:
            found.append((number, begins))
        seen, total = (1, now.copy()) if begins else (0, total)
    return found


def _clock(source: str, line: int, stamp: str) -> datetime:
    found = _STAMP.fullmatch(stamp)
    try:
        if not found:
            raise ValueError
        month, day, year, hour, minute, second = map(int, found.groups())
        return datetime(year, month, day, hour, minute, second)
    except ValueError as error:
        raise LogError(
            f"{source}, line {line}: '{stamp}' is no date and time (MM-DD-YYYY HH:MM:SS)"
        ) from error
