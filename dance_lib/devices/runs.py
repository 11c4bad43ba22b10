"""A folder of device logs, and the one file in it that says what ran while they were taken.

`runs.yml` lists runs: a log, the device and network, how many clips ran in which window, and where
the idle device was logged. A figure of a clip needs all of that, and none of it stands in a log.
"""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dance_lib.devices.formats import Declared
from dance_lib.devices.latency import LatencyLog
from dance_lib.devices.power import TOTAL, LogError, PowerLog
from dance_lib.devices.read import read_log
from dance_lib.devices.report import power_rows, windows_of
from dance_lib.errors import DanceError
from dance_lib.study.schema import Strict, read_yaml

RUNS = "runs.yml"
DENSE, PRUNED = "dense", "pruned"  # networks by these names; any other name is a rival
COLUMNS = [
    "device", "network", "run", "log", "window", "rail", "clips", "duration_s", "ms_per_clip",
    "energy_j", "mean_w", "idle_w", "j_per_clip", "net_j_per_clip", "format", "timed_by",
    "clock", "kind", "notes",
]  # fmt: skip


class Stretch(Strict):
    """A window of a log.

    Attributes:
        log: file in the folder.
        format: of it, by default recognised.
        window: name of a mark in the log, or of an event; all of the log by default.
        events: file in the folder, a table name, start, end.
        interval: nominal seconds between samples, where the log has no times.
        columns: by role ([name, unit]), as `Declared`.
        rail: to take where no set of rails is known to feed the whole device.
    """

    log: str = Field(min_length=1)
    format: str | None = None
    window: str | None = None
    events: str | None = None
    interval: PositiveFloat | None = None
    columns: dict[str, tuple[str, str]] = Field(default_factory=dict)
    rail: str | None = None
    max_gap: PositiveFloat | None = None


class DeviceRun(Stretch):
    """One network running on one device.

    Attributes:
        network: "dense", "pruned", or a rival's own name.
        clips: how many ran in the window.
        log: of power; or of latency alone, which then tells no energy.
        latency: a latency log of the same run, whose time counts then and not the window's.
        clips_per_run: clips of one timed run of that log.
        idle: the same device at rest.
    """

    device: str = Field(min_length=1)
    network: str = Field(min_length=1)
    clips: PositiveInt
    latency: str | None = None
    clips_per_run: PositiveInt = 1
    idle: Stretch | None = None


class RunFile(Strict):
    """`runs.yml`."""

    runs: tuple[DeviceRun, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen = set()
        for run in self.runs:
            close = get_close_matches(run.network.lower(), (DENSE, PRUNED), n=1, cutoff=0.8)
            if close and run.network not in (DENSE, PRUNED):
                raise ValueError(f"network {run.network!r}: write {close[0]!r}, or a rival's name")
            if (run.log, run.window) in seen:
                raise ValueError(f"{run.log}, window {run.window}: is there twice; it is one run")
            seen.add((run.log, run.window))
        return self


def read_runs(folder: Path, refused: Callable[[DanceError], object] | None = None) -> pd.DataFrame:
    """A row a run of `runs.yml`, see COLUMNS; none where there is no such folder or file.

    `timed_by` is "window" or the format of the latency log: times of two kinds are not compared.
    `run` counts the runs of one device and network; rails add up to the whole device, or are the
    one rail that the file names. Joules are gross in `j_per_clip`; the net is without what the idle
    device takes in that time, and empty where no idle log is named.

    Args:
        refused: told of a run whose logs support no figure, and the others go on; by default it
            raises.

    Raises:
        DanceError: `runs.yml` is not as it should be, or a run was refused and nobody is told.
    """
    place = folder / RUNS
    if not place.is_file():
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for run in read_yaml(place, RunFile).runs:
        try:
            rows.append(_row(folder, run))
        except DanceError as error:
            if refused is None:
                raise
            refused(error)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["run"] = table.groupby(["device", "network"]).cumcount()
    return table


def _row(folder: Path, run: DeviceRun) -> dict[str, Any]:
    about = {"device": run.device, "network": run.network, "clips": run.clips}
    log = _read(folder, run)
    if isinstance(log, LatencyLog):
        return about | {
            **{"log": log.source, "window": "all", "rail": "none", "kind": "measured"},
            **{"format": log.format, "timed_by": log.format, "duration_s": log.duration_s},
            "ms_per_clip": log.mean_ms / run.clips_per_run,
        }
    whole = _whole(folder, run, log)
    idle_w = float("nan")
    if run.idle is not None:
        idle = _whole(folder, run.idle, _read(folder, run.idle))
        if (idle["format"], idle["rail"]) != (whole["format"], whole["rail"]):
            raise LogError(
                f"{run.idle.log}: idle power of {idle['rail']} by {idle['format']} can't be taken "
                f"from that of {whole['rail']} by {whole['format']} in {run.log}"
            )
        idle_w = idle["energy_j"] / idle["duration_s"]
        if idle_w >= whole["energy_j"] / whole["duration_s"]:
            raise LogError(f"{run.idle.log}: {idle_w:g} W at rest is no less than in {run.log}")
    ms, timed_by = 1e3 * whole["duration_s"] / run.clips, "window"
    if run.latency is not None:
        timed = read_log(_inside(folder, run.latency))
        if not isinstance(timed, LatencyLog):
            raise LogError(f"{run.latency}: is no log of latency")
        ms, timed_by = timed.mean_ms / run.clips_per_run, timed.format
    return {
        **{name: whole[name] for name in COLUMNS if name in whole},
        **about,
        "ms_per_clip": ms,
        "timed_by": timed_by,
        "idle_w": idle_w,
        "j_per_clip": whole["energy_j"] / run.clips,
        "net_j_per_clip": (whole["energy_j"] - idle_w * whole["duration_s"]) / run.clips,
    }


def _read(folder: Path, stretch: Stretch) -> PowerLog | LatencyLog:
    declared = Declared(stretch.interval, stretch.columns)
    return read_log(_inside(folder, stretch.log), stretch.format, declared)


def _whole(folder: Path, stretch: Stretch, log: PowerLog | LatencyLog) -> dict[str, Any]:
    """The row of the whole device, or of the rail that stands for it."""
    if not isinstance(log, PowerLog):
        raise LogError(f"{stretch.log}: tells no power")
    events = _inside(folder, stretch.events) if stretch.events else None
    window = None
    if stretch.window is not None:
        named = {w.name: w for w in windows_of(log, events) if w is not None}
        if stretch.window not in named:
            raise LogError(
                f"{stretch.log}: no window {stretch.window!r}; there are: "
                + (", ".join(named) or "none")
            )
        window = named[stretch.window]
    elif log.marks or events is not None:
        raise LogError(f"{stretch.log}: it has windows; name one as `window`")
    if stretch.rail is not None and log.total and stretch.rail not in (TOTAL, *log.total):
        raise LogError(
            f"{stretch.log}: rail {stretch.rail!r} is a part of the device, and what feeds the "
            f"whole is known: {', '.join(log.total)}; leave `rail` out"
        )
    rail = stretch.rail or TOTAL
    rows = power_rows(log, window, stretch.max_gap)
    own = rows[rows["rail"] == rail]
    if own.empty:
        raise LogError(
            f"{stretch.log}: no rail {rail!r}"
            + (", and none is known to feed the whole device" if rail == TOTAL else "")
            + f"; name one of {', '.join(rows['rail'])} as `rail`"
        )
    if not own["energy_j"].iloc[0] > 0:
        raise LogError(f"{stretch.log}: {rail} took no energy at all, so it is not what ran")
    return {str(column): value for column, value in own.iloc[0].items()}


def _inside(folder: Path, name: str) -> Path:
    """A file in the folder.

    Raises:
        LogError: it lies elsewhere.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise LogError(f"{RUNS}: {name} lies outside {folder}; put it in there")
    return path
