"""Power over time as a meter logged it, and the energy between two moments.

The one thing that all readers of power logs give. Times are those of the samples; where a log has
none they are nominal, and every row made from them says so.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from dance_lib.errors import DanceError

Clock = Literal["recorded", "nominal"]
TOTAL = "total"  # the row that adds up what feeds the whole device
GAP = 5.0  # a step that many times as long as the median step is a gap


class LogError(DanceError):
    """A log that does not support what is asked of it; the message names it and the reason."""


@dataclass(frozen=True)
class Window:
    """A named stretch of a log, in seconds since its first sample."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class PowerLog:
    """What a meter saw.

    Attributes:
        source: the log's name, for messages and tables.
        format: of the log: "tegrastats", "trepn", ...
        watts: a row a sample; index seconds since the first one, increasing; a column a rail.
        total: rails that together feed the whole device; empty where no such set is known.
        clock: whether times were recorded, or follow from a nominal interval.
        start: wall-clock time of the first sample, where the log tells.
        breaks: seconds at which the logger began anew, and no time is known between.
        marks: windows that were marked in the log itself.
        kind: "estimated" where the logger itself says that its power is.
        notes: what a reader of a figure has to know, in words.
    """

    source: str
    format: str
    watts: pd.DataFrame
    total: tuple[str, ...]
    clock: Clock
    start: pd.Timestamp | None = None
    breaks: tuple[float, ...] = ()
    marks: tuple[Window, ...] = ()
    kind: Literal["measured", "estimated"] = "measured"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not len(self.watts.columns):
            raise LogError(f"{self.source}: no power rail in it, so it supports no figure of power")
        if not len(self.watts):
            raise LogError(f"{self.source}: no sample in it")
        times = self.watts.index.to_numpy(dtype=float)
        if not np.isfinite(times).all() or not np.isfinite(self.watts.to_numpy(dtype=float)).all():
            raise LogError(f"{self.source}: a time or a power that is no finite number")
        back = np.flatnonzero(np.diff(times) <= 0)
        if len(back):
            raise LogError(
                f"{self.source}: time does not go forward at sample {back[0] + 2} "
                f"({times[back[0]]:g} s, then {times[back[0] + 1]:g} s); cut the log there"
            )

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the last."""
        return float(self.watts.index[-1] - self.watts.index[0])


def energy_table(
    log: PowerLog, window: Window | None = None, *, max_gap: float | None = None
) -> pd.DataFrame:
    """Power and energy of each rail, and of the whole device where its rails are known.

    Energy is the trapezoid rule over the times of the samples, at the window's ends interpolated
    between the samples around them.

    Args:
        window: of the log; all of it by default.
        max_gap: longest step in seconds between two samples across which power is taken to run
            straight; by default 5 times the median step.

    Returns:
        A row a rail and, last, one `total`: rail, samples, mean_w (of the samples), max_w,
        duration_s, energy_j.

    Raises:
        LogError: fewer than two samples, a window outside the log or without a sample, a gap, or
            a restart of the logger, inside it.
    """
    times = log.watts.index.to_numpy(dtype=float)
    window = window or Window("all", times[0], times[-1])
    name = f"{log.source}, window {window.name!r}"
    if len(times) < 2:
        raise LogError(f"{log.source}: one sample, and energy needs two or more")
    if not times[0] <= window.start < window.end <= times[-1]:
        raise LogError(
            f"{name}: {window.start:g} to {window.end:g} s does not lie in the log, which has "
            f"{times[0]:g} to {times[-1]:g} s"
        )
    _check_covered(log, times, window, name, max_gap)
    inside = (times >= window.start) & (times <= window.end)
    if not inside.any():
        raise LogError(f"{name}: no sample in it")
    watts = log.watts.assign(**{TOTAL: log.watts[list(log.total)].sum(axis=1)} if log.total else {})
    own = times[(times > window.start) & (times < window.end)]
    knots = np.concatenate([[window.start], own, [window.end]])
    rows = []
    for rail in watts:
        power = watts[rail].to_numpy(dtype=float)
        rows.append(
            {
                "rail": rail,
                "samples": int(inside.sum()),
                "mean_w": power[inside].mean(),
                "max_w": power[inside].max(),
                "duration_s": window.end - window.start,
                "energy_j": float(np.trapezoid(np.interp(knots, times, power), knots)),
            }
        )
    return pd.DataFrame(rows)


def _check_covered(
    log: PowerLog, times: np.ndarray, window: Window, name: str, max_gap: float | None
) -> None:
    """Refuse a window across which power is not known."""
    for at in log.breaks:
        if window.start < at <= window.end:
            raise LogError(
                f"{name}: the logger began anew at {at:g} s, and nobody knows how long it was "
                "away; choose a window before or after it"
            )
    steps = np.diff(times)
    longest = GAP * float(np.median(steps)) if max_gap is None else max_gap
    if not longest > 0:
        raise LogError(f"{name}: a longest step of {longest:g} s is none")
    touched = (times[1:] > window.start) & (times[:-1] < window.end)
    gaps = np.flatnonzero(touched & (steps > longest * (1 + 1e-9)))
    if len(gaps):
        at, step = times[gaps[0]], steps[gaps[0]]
        raise LogError(
            f"{name}: no sample for {step:g} s after {at:g} s, where {longest:g} s are allowed; "
            "choose a window without the gap, or allow it by --max-gap"
        )
