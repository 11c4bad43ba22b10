"""The results of run.py become runs of `runs.yml`: what ran in which window of which log."""

import csv
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from dance_lib.deploy.device.sent_bundle import NETWORK
from dance_lib.devices.runs import RUNS
from dance_lib.errors import DanceError, in_one_line

ABOUT, LATENCY, WINDOWS = "run.json", "latency.csv", "windows.csv"
LOGS = ("power.csv", "tegrastats.txt", "power_supply.csv")
KEPT = (ABOUT, LATENCY, WINDOWS, *LOGS, "logger.txt")
IDLE = "idle"
# A target of a bundle that `results/paper/claims.yaml` knows by another name.
DEVICES = {"snapdragon-8gen1": "snapdragon-8-gen-1"}
# A busy device lets its logger wait; within so long power is taken to run straight.
MAX_GAP_S = 1.0


class ResultsError(DanceError):
    """Results of a run that can't be taken over; says why."""


class Loop(BaseModel):
    """A row of latency.csv."""

    model_config = ConfigDict(frozen=True)
    form: Literal["dense", "dynamic", "codebook"]
    window: str = Field(pattern=r"^[a-z]+-[0-9]+$")
    clips: PositiveInt


class About(BaseModel):
    """run.json, as far as it matters here."""

    model_config = ConfigDict(frozen=True)
    format: Literal[1]
    bundle: str
    target: str = Field(min_length=1)
    began: datetime
    complete: bool
    ended: bool
    log: Literal["power.csv", "tegrastats.txt", "power_supply.csv"] | None
    log_format: str | None = None
    interval: PositiveFloat | None = None


class Results(BaseModel):
    """What run.py wrote into its folder."""

    model_config = ConfigDict(frozen=True)
    about: About
    loops: tuple[Loop, ...]
    idle: bool

    @property
    def device(self) -> str:
        """The device's name, by the bundle's target."""
        return DEVICES.get(self.about.target, self.about.target)

    @property
    def stamp(self) -> str:
        """When it began, for a name of its own."""
        return self.about.began.strftime("%Y%m%dT%H%M%S")


def read_results(folder: Path) -> Results:
    """The results in a folder.

    Raises:
        ResultsError: there are none, or they are not as run.py writes them.
    """
    place = folder / ABOUT
    try:
        about = About.model_validate_json(place.read_bytes())
        rows = list(csv.DictReader((folder / LATENCY).read_text(encoding="utf-8").splitlines()))
        place = folder / LATENCY
        loops = tuple(Loop.model_validate(row) for row in rows)
        windows = {
            row.get("name")
            for row in csv.DictReader((folder / WINDOWS).read_text(encoding="utf-8").splitlines())
        }
    except ValidationError as error:
        raise ResultsError(str(in_one_line(str(place), error))) from error
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "is no text"
        raise ResultsError(
            f"{folder}: no results of run.py ({said}); name the folder of its --out"
        ) from error
    lost = next((loop.window for loop in loops if loop.window not in windows), None)
    if lost is not None:
        raise ResultsError(f"{folder / WINDOWS}: no window {lost}, which {LATENCY} has")
    return Results(about=about, loops=loops, idle=IDLE in windows)


def entries(results: Results, prefix: str, device: str, rail: str | None) -> list[dict[str, Any]]:
    """The runs, a loop each, for a `runs.yml` from which the folder is reached by `prefix`.

    Raises:
        ResultsError: no power was logged, or no loop was finished.
    """
    about = results.about
    if about.log is None:
        raise ResultsError(
            f"no power was logged, so {RUNS} gets no runs; {LATENCY} has the times: run it with a "
            "--logger for energy"
        )
    if not results.loops:
        raise ResultsError(f"no loop was finished, so {RUNS} gets no runs")
    log: dict[str, Any] = {"log": prefix + about.log, "format": about.log_format or None}
    if about.log != "tegrastats.txt":  # which has the windows as marks
        log["events"] = prefix + WINDOWS
    log["max_gap"] = max(MAX_GAP_S, 5 * (about.interval or 0))
    log["rail"] = rail
    log = {key: value for key, value in log.items() if value is not None}
    idle = {"idle": log | {"window": IDLE}} if results.idle else {}
    return [
        {
            **log,
            "device": device,
            "network": NETWORK[loop.form],
            "clips": loop.clips,
            "window": loop.window,
            **idle,
        }
        for loop in results.loops
    ]


def take(folder: Path, out: Path, name: str) -> Path:
    """Copy the results in `folder` to `out/name`, unless they lie in `out` already; their place.

    Raises:
        ResultsError: other results are there, or it can't be written.
    """
    if folder.resolve().is_relative_to(out.resolve()) and folder.resolve() != out.resolve():
        return out / folder.resolve().relative_to(out.resolve())
    target = out / name
    if target.exists():
        raise ResultsError(f"{target} is there already: these results were read before")
    partial = target.with_name(f".{name}.partial")  # what is half copied has not been read
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for file in KEPT:
            if (folder / file).is_file():
                shutil.copyfile(folder / file, partial / file)
        partial.rename(target)
    except OSError as error:
        raise ResultsError(f"can't write {error.filename}: {error.strerror}") from error
    return target
