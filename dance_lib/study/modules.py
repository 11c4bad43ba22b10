"""The library files a notebook reaches: what has to be unchanged for its products to stand."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import grimp

import dance_lib
from dance_lib.errors import DanceError
from dance_lib.study.notebook import code_cells

PACKAGE = "dance_lib"


def reached_files(notebook: Path) -> list[Path]:
    """Return the files of all library modules that the notebook imports, directly or not."""
    return [_file(module) for module in sorted(_closure(_imported(notebook)))]


@cache
def _graph() -> grimp.ImportGraph:
    # Imports for type checkers count: the package's own lazy names are written as such.
    return grimp.build_graph(PACKAGE, cache_dir=None)


def _closure(modules: Iterable[str]) -> set[str]:
    """Follow imports to the end. Importing a module runs the `__init__` of the packages above it.

    The top package is followed only where it is imported by name: it leads to everything, and
    loads none of it before a name is asked for.
    """
    found: set[str] = set()
    todo = set(modules)
    while todo:
        module = todo.pop()
        found.add(module)
        above = {package for package in _packages_above(module) if package != PACKAGE}
        todo |= (_graph().find_modules_directly_imported_by(module) | above) - found
    return found


def _imported(notebook: Path) -> Iterator[str]:
    """Yield the library modules named by the import statements of the notebook's cells."""
    for cell in code_cells(notebook):
        for node in ast.walk(_parse(cell["source"], notebook)):
            match node:
                case ast.Import(names=names):
                    yield from filter(_is_module, (name.name for name in names))
                case ast.ImportFrom(module=str(module), names=names) if _is_module(module):
                    for name in names:
                        inside = f"{module}.{name.name}"
                        yield inside if _is_module(inside) else module


def _parse(source: str, notebook: Path) -> ast.Module:
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError as error:
        raise DanceError(f"{notebook}: {error.msg}: {error.text}") from error


def _is_module(name: str) -> bool:
    return name in _graph().modules


def _packages_above(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _file(module: str) -> Path:
    top = Path(dance_lib.__file__).parent
    path = top.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
