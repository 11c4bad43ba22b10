"""How runs were made: their rows below `runs/`, and the ones that a notebook gathers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dance_lib.errors import DanceError
from dance_lib.study import paths
from dance_lib.study.graph import SOURCE
from dance_lib.study.manifest import load_manifest
from dance_lib.study.provenance import LIBRARIES

if TYPE_CHECKING:
    from dance_lib.site.executed import Executed

VERSIONS = ("python", *LIBRARIES)
Run = dict[str, str]  # a row of `runs/`, all of it as text
TOLD = ("run_id", "notebook", "commit", "dirty", "seed", "device", "threads", "start")


def read_run(file: Path) -> Run:
    """Return the row of one run.

    Raises:
        DanceError: the file holds no such row.
    """
    try:
        (row,) = pd.read_csv(file, dtype=str, keep_default_na=False).to_dict("records")
        if not isinstance(json.loads(row["parameters"]), dict) or set(TOLD) - row.keys():
            raise ValueError("columns are missing")
        float(row["duration_s"])
    except (ValueError, KeyError) as error:  # also what pandas and json raise
        raise DanceError(f"{file} does not tell how a run was made: run it again") from error
    return {str(key): value for key, value in row.items()}


def made_with(run: Run) -> dict[str, Any]:
    """Return the parameters of a run."""
    return json.loads(run["parameters"])


def read_runs(run_folder: Path) -> list[Run]:
    """Return the rows of all finished runs of a folder."""
    return [read_run(file) for file in sorted(run_folder.glob("runs/*.csv"))]


def runs_behind(executed: "Executed", run_folder: Path, root: Path) -> list[Run]:
    """Return the row of a notebook's own run, then those of the runs whose tables it reads."""
    if executed.run is None:
        return []
    source = executed.parameters.get(SOURCE)
    made = read_runs(paths.resolve(source, root) if source else run_folder)
    return [executed.run, *(run for run in made if _is_read(run, executed, root))]


def shown(runs: list[Run]) -> tuple[dict[str, str], pd.DataFrame]:
    """Return what all runs share, and for readers a row a run with what they differ in."""
    rows = pd.DataFrame(
        {
            "run": _short(run),
            "commit": run["commit"][:8],
            "files changed": {"True": "yes", "False": "none"}.get(run["dirty"], "unknown"),
            "seed": run["seed"].strip("[]"),
            "device": run["device"],
            "threads": run["threads"],
            "took": f"{float(run['duration_s']):,.0f} s",
            "started": run["start"][:16].replace("T", " "),
            "versions": ", ".join(f"{name} {run.get(name) or 'unknown'}" for name in VERSIONS),
        }
        for run in runs
    )
    alike = {
        str(name): str(values.iloc[0])
        for name, values in rows.items()
        if name != "run" and values.nunique() == 1
    }
    return alike, rows.drop(columns=list(alike))


def _short(run: Run) -> str:
    """The part of a run's id between folder and time: notebook and values."""
    return run["run_id"].partition("/")[2].partition("@")[0]


def _is_read(run: Run, executed: "Executed", root: Path) -> bool:
    """Whether it is of a notebook that is needed, with values that its reader asks for."""
    if run["notebook"] not in executed.entry.needs:
        return False
    own, asked = made_with(run), executed.parameters
    names = load_manifest(root).entry(run["notebook"]).fan_out
    return all(own[name] in _listed(asked.get(name, own[name])) for name in names)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
