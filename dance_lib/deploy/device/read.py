"""Results of run.py are taken into a folder of device logs, and told of."""

import re
import shutil
from pathlib import Path

import pandas as pd

from dance_lib.deploy.device.remote import Say
from dance_lib.deploy.device.results import LATENCY, Results, entries, read_results, take
from dance_lib.deploy.device.runs_file import append_runs, check_runs
from dance_lib.devices.runs import RUNS, read_runs
from dance_lib.errors import DanceError

SHOWN = {
    "device": "device", "network": "network", "run": "run", "window": "window", "clips": "clips",
    "ms_per_clip": "ms a clip", "idle_w": "W idle", "j_per_clip": "J a clip",
    "net_j_per_clip": "J without idle", "clock": "clock", "kind": "kind",
}  # fmt: skip


def read_into(
    folder: Path,
    out: Path,
    say: Say,
    complain: Say,
    *,
    device: str | None = None,
    rail: str | None = None,
) -> bool:
    """Copy results into `out`, add their runs to its `runs.yml`, and print all rows it then has.

    Args:
        device: in `runs.yml`; by default as the bundle's target says.
        rail: of the log, where what feeds the whole device is not known.

    Returns:
        Whether every new run supports a figure.

    Raises:
        DanceError: no results, results that were read before, or a `runs.yml` with a mistake.
    """
    results = read_results(folder)
    device = device or results.device
    check_runs(out)
    before: list[DanceError] = []
    read_runs(out, before.append)
    if results.about.log is None:
        place = take(folder, out, folder_name(results, device))
        say(f"no power was logged, so {RUNS} gets no runs; the times are in {place / LATENCY}")
        return True
    entries(results, "", device, rail)  # so that nothing is copied where there is no run
    place = take(folder, out, folder_name(results, device))
    runs = entries(results, f"{place.relative_to(out).as_posix()}/", device, rail)
    try:
        append_runs(out, runs)
    except BaseException:
        if place.resolve() != folder.resolve():
            shutil.rmtree(place)  # or the next try would take them for read
        raise
    refused: list[DanceError] = []
    for line in shown(read_runs(out, refused.append)):
        say(line)
    new = refused[len(before) :]  # in the order of the file, whose end the new ones are
    for error in new:
        complain(f"refused: {error}")
    say(f"{len(runs)} runs added to {out / RUNS}; logs and {LATENCY} in {place}")
    return not new


def folder_name(results: Results, device: str) -> str:
    """Of these results and no others, below the folder of device logs."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', device)[:60]}-{results.stamp}"


def shown(table: pd.DataFrame) -> list[str]:
    """The runs as lines to read."""
    if table.empty:
        return []
    columns = table[list(SHOWN)].rename(columns=SHOWN)
    return columns.to_string(index=False, float_format="{:.4g}".format, na_rep="").splitlines()
