"""Every path of the study: notebooks and profiles below the root, products below a run folder.

The root is the folder above `notebooks/manifest.yml`, found by walking up from the working
directory. A relative path in a parameter (`results`, a data folder) starts at the root, so it means
the same to plain papermill in the root, to Run All in JupyterLab (which works in `notebooks/`) and
to the batch (which does likewise).

A *template* is the path of a product below its run folder, `tables/03_aap/clips.csv`. A notebook
that fans out writes one file for each job: `with_values` puts the job's values before the
extension, `tables/03_aap/clips.seed=0.ava=cv.csv`. Batch and notebooks both use that function.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dance_lib.errors import DanceError

NOTEBOOKS = Path("notebooks")
MANIFEST = NOTEBOOKS / "manifest.yml"
PROFILES = NOTEBOOKS / "profiles"
MATRIX = NOTEBOOKS / "matrix.yml"
RESULTS = Path("results")
ALL_RUNS = RESULTS / "runs.csv"
SETTINGS = "settings.json"  # below a run folder: what the folder was made with
LOCK = ".lock"  # below a run folder: held by the batch at work there


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder at or above `start` (default: the working directory) of a study.

    Raises:
        DanceError: no folder up to the top holds `notebooks/manifest.yml`.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / MANIFEST).is_file():
            return folder
    raise DanceError(f"{start} is not inside the study: no folder above it holds {MANIFEST}")


def resolve(path: str | Path, root: Path | None = None) -> Path:
    """Return `path` made absolute, a relative one starting at the root of the study."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else ((root or find_root()) / path).resolve()


def notebook_file(root: Path, notebook: str) -> Path:
    """Return the source of a notebook."""
    return root / NOTEBOOKS / f"{notebook}.ipynb"


def executed(notebook: str) -> str:
    """Return the template of the executed copy."""
    return f"notebooks/{notebook}.ipynb"


def table(notebook: str, name: str) -> str:
    """Return the template of a table."""
    return f"tables/{notebook}/{name}.csv"


def figure(notebook: str, name: str) -> str:
    """Return the template of a figure."""
    return f"figures/{notebook}/{name}.png"


def provenance(notebook: str) -> str:
    """Return the template of the one-row table that says how a job ran."""
    return f"runs/{notebook}.csv"


def tables_below(root: Path, run_folder: str) -> tuple[str, ...]:
    """Return the tables of a run folder, relative to the root; none where it is not there."""
    files = (resolve(run_folder, root) / "tables").rglob("*.csv*")
    return tuple(sorted(os.path.relpath(file, root) for file in files))


def with_values(template: str, values: Mapping[str, Any]) -> str:
    """Return the template's path for one job: `.name=value` for each, before the extension."""
    path = Path(template)
    return str(path.with_name(path.stem + suffix(values) + path.suffix))


def suffix(values: Mapping[str, Any]) -> str:
    """Return `.seed=0.ava=cv`; a character that does not belong in a file's name is %-escaped."""
    return "".join(f".{name}={quote(str(value), safe='')}" for name, value in values.items())
