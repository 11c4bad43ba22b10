"""Reading a notebook's source: its code cells, and the literals of its `parameters` cell."""

import ast
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from dance_lib.errors import DanceError, in_one_line


class _Metadata(BaseModel, extra="allow"):
    tags: list[str] = Field(default_factory=list)


class _Cell(BaseModel, extra="allow"):
    cell_type: str
    source: str
    metadata: _Metadata = Field(default_factory=_Metadata)

    @field_validator("source", mode="before")
    @classmethod
    def _joined(cls, lines: Any) -> Any:
        """A list of lines is as good as a text."""
        several = isinstance(lines, list) and all(isinstance(line, str) for line in lines)
        return "".join(lines) if several else lines


class _Notebook(BaseModel):
    cells: list[_Cell]


def code_cells(file: Path) -> list[dict[str, Any]]:
    """Return the code cells, each with its `source` as one string.

    Raises:
        DanceError: the file is missing or is not a notebook.
    """
    try:
        notebook = _Notebook.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise DanceError(f"{file} is in the manifest, but there is no such notebook") from error
    except ValidationError as error:
        raise in_one_line(f"{file} is not a notebook", error) from error
    return [cell.model_dump() for cell in notebook.cells if cell.cell_type == "code"]


def declared_parameters(file: Path) -> dict[str, Any]:
    """Return name and literal of every parameter, but for `results`, the run folder.

    Raises:
        DanceError: not exactly one cell is tagged `parameters`, it holds anything but
            `name = literal`, or it lacks `results`.
    """
    cells = [cell for cell in code_cells(file) if "parameters" in cell["metadata"]["tags"]]
    if len(cells) != 1:
        raise DanceError(f"{file} has {len(cells)} cells tagged parameters, not one")
    try:
        literals = dict(_assignment(line) for line in ast.parse(cells[0]["source"]).body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DanceError(f"{file}: parameters must be plain `name = literal`: {error}") from error
    if literals.pop("results", None) is None:
        raise DanceError(f"{file} declares no parameter `results`, the run folder")
    return literals


def _assignment(line: ast.stmt) -> tuple[str, Any]:
    match line:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, ast.literal_eval(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return name, ast.literal_eval(value)
    raise ValueError(f"line {line.lineno} is something else")
