"""What a running notebook asks about itself and about the run it belongs to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dance_lib.arguments import checked
from dance_lib.errors import DanceError
from dance_lib.study import paths
from dance_lib.study.matrix import load_matrix
from dance_lib.study.notebook import declared_parameters
from dance_lib.study.products import runs


@checked
def parameters(scope: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """Return the notebook's own parameters with their present values, `results` included.

    Args:
        scope: the notebook's `globals()`.
        notebook: its name.

    Raises:
        DanceError: a declared parameter has been deleted.
    """
    declared = declared_parameters(paths.notebook_file(paths.find_root(), notebook))
    missing = [name for name in ("results", *declared) if name not in scope]
    if missing:
        raise DanceError(f"{notebook}: parameter {missing[0]!r} has no value any more")
    return {name: scope[name] for name in ("results", *declared)}


@checked
def parameter(results: str | Path, notebook: str, name: str) -> Any:
    """Return the value that a notebook's runs in this folder were made with.

    Raises:
        DanceError: no run of the notebook is there, or its runs differ in the value.
    """
    values = {json.dumps(made.get(name)) for made in _made_with(results, notebook)}
    if len(values) != 1:
        raise DanceError(f"{notebook} was run with {len(values)} values of {name!r}, not one")
    return json.loads(values.pop())


@checked
def parameter_by(results: str | Path, notebook: str, name: str, key: str) -> dict[Any, Any]:
    """Return, by the values of a name that a notebook fans out over, its value of a parameter.

    Nothing where the notebook was not run.

    Raises:
        DanceError: runs with one value of `key` differ.
    """
    found: dict[Any, Any] = {}
    for values in _made_with(results, notebook):
        if found.setdefault(values[key], values[name]) != values[name]:
            raise DanceError(f"{notebook} with {key}={values[key]!r} was run with two {name!r}")
    return found


@checked
def titles(name: Literal["arm", "rival"]) -> dict[str, str]:
    """Return the titles of all arms or rivals, in the order of tables; `name` is one of both."""
    matrix = load_matrix(paths.find_root())
    return {key: row.title for key, row in matrix.rows(name).items()}


@checked
def paper_file(name: str) -> Path:
    """Return the place of a file of `results/paper/`: claims, protocol."""
    return paths.find_root() / paths.RESULTS / "paper" / name


def _made_with(results: str | Path, notebook: str) -> list[dict[str, Any]]:
    """The parameters of every run of a notebook in a run folder."""
    made = runs(results)
    rows = made[made["notebook"] == notebook] if len(made) else made
    return [json.loads(text) for text in rows.get("parameters", [])]
