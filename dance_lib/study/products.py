"""The products of other jobs, read back: tables, checkpoints, and how each run went."""

import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dance_lib.arguments import checked
from dance_lib.atomic import replacing
from dance_lib.errors import DanceError
from dance_lib.study import paths
from dance_lib.study.keep import COMPRESSED
from dance_lib.study.manifest import listed, load_manifest
from dance_lib.study.matrix import SEED, load_matrix
from dance_lib.study.settings import Settings


class MissingProductError(DanceError):
    """A table or checkpoint is not there yet; the message names the command that makes it."""


@checked
def read(results: str | Path, notebook: str, table: str, **values: Any) -> pd.DataFrame:
    """Return a notebook's table, with the values it was fanned out over as columns.

    A list of values gathers: the tables of all combinations, one below the other. In a run folder
    these are all that the matrix wants, in one of `dance keep` all that have run so far.

    Args:
        results: the run folder, or one of `dance keep`.
        notebook: the notebook that made the table.
        table: its name.
        values: one value or a list of values for each name the notebook fans out over.

    Raises:
        MissingProductError: a table is not there.
        DanceError: the notebook is unknown or fans out over other names.
    """
    tables = []
    for single in _there(paths.resolve(results), notebook, values):
        file = find(results, notebook, paths.table(notebook, table), **single)
        frame = pd.read_csv(file, keep_default_na=False, na_values=[""])  # "none" is a name
        tables.append(
            frame.assign(**{key: value for key, value in single.items() if key not in frame})
        )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


@checked
def find(results: str | Path, notebook: str, template: str, **values: Any) -> Path:
    """Return the path of another notebook's product, `checkpoints/01_dense/net.safetensors`.

    Raises:
        MissingProductError: it is not there.
        DanceError: the notebook is unknown or fans out over other names.
    """
    run_folder = paths.resolve(results)
    (values,) = _combinations(notebook, values)
    file = paths.with_values(template, values)
    for name in (file, file + COMPRESSED):
        if (run_folder / name).is_file():
            return run_folder / name
    raise MissingProductError(
        f"{file} is missing in {run_folder}; make it with: "
        + _command(run_folder, notebook, values)
    )


@checked
def runs(results: str | Path) -> pd.DataFrame:
    """Return the provenance of every finished run in the run folder, a row a run."""
    return _concatenated(paths.resolve(results).glob("runs/*.csv"))


def merge_runs(root: Path) -> None:
    """Gather the provenance of all run folders in `results/runs.csv`, every run once."""
    merged = _concatenated((root / paths.RESULTS).glob("*/runs/*.csv"))
    if not merged.empty:
        with replacing(root / paths.ALL_RUNS) as partial:
            merged.drop_duplicates("run_id").to_csv(partial, index=False)


def _concatenated(files: Iterator[Path]) -> pd.DataFrame:
    rows = [pd.read_csv(file) for file in sorted(files)]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _combinations(notebook: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one value for each name the notebook fans out over, in the order of its `fan_out`."""
    names = load_manifest(paths.find_root()).entry(notebook).fan_out
    if set(names) != set(values):
        raise DanceError(
            f"{notebook} has one file for each of ({', '.join(names)}), "
            f"so it is not found by ({', '.join(values)})"
        )
    lists = [listed(values[name]) for name in names]
    for single in itertools.product(*lists):
        yield dict(zip(names, single, strict=True))


def _there(run_folder: Path, notebook: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the combinations whose tables are to be there."""
    matrix, seeds = load_matrix(paths.find_root()), listed(values.get(SEED, []))
    settings = Settings.read(run_folder)
    for combination in _combinations(notebook, values):
        wanted = matrix.wants(combination, seeds)  # raises where the matrix does not know it
        if settings and settings.kept:
            run = paths.with_values(paths.provenance(notebook), combination)
            wanted = (run_folder / run).is_file()
        if wanted:
            yield combination


def _command(run_folder: Path, notebook: str, values: dict[str, Any]) -> str:
    settings = Settings.read(run_folder)
    start = settings.command if settings else f"dance reproduce --name {run_folder.name}"
    words = [word for key, value in values.items() for word in ("-p", f"{key}={value}")]
    return f"{start} --only {notebook} {shlex.join(words)}".rstrip()
