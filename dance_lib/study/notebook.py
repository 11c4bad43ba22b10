"""Reading a notebook's source: its code cells, and the literals of its `parameters` cell."""

import ast
import json
from pathlib import Path
from typing import Any

from dance_lib.errors import DanceError


def code_cells(file: Path) -> list[dict[str, Any]]:
    """Return the code cells, each with its `source` as one string.

    Raises:
        DanceError: the file is missing or is not a notebook.
    """
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError as error:
        raise DanceError(f"{file} is in the manifest, but there is no such notebook") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DanceError(f"{file} is not a notebook: {error}") from error
    return [cell | {"source": "".join(cell["source"])} for cell in cells if _is_code(cell)]


def declared_parameters(file: Path) -> dict[str, Any]:
    """Return name and literal of every parameter, but for `results`, the run folder.

    Raises:
        DanceError: not exactly one cell is tagged `parameters`, it holds anything but
            `name = literal`, or it lacks `results`.
    """
    cells = [cell for cell in code_cells(file) if "parameters" in cell["metadata"].get("tags", [])]
    if len(cells) != 1:
        raise DanceError(f"{file} has {len(cells)} cells tagged parameters, not one")
    try:
        literals = dict(_assignment(line) for line in ast.parse(cells[0]["source"]).body)
    except (SyntaxError, ValueError) as error:
        raise DanceError(f"{file}: parameters must be plain `name = literal`: {error}") from error
    if literals.pop("results", None) is None:
        raise DanceError(f"{file} declares no parameter `results`, the run folder")
    return literals


def _is_code(cell: dict[str, Any]) -> bool:
    return cell["cell_type"] == "code"


def _assignment(line: ast.stmt) -> tuple[str, Any]:
    match line:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, ast.literal_eval(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, ast.literal_eval(value)
    raise ValueError(f"line {line.lineno} is something else")
