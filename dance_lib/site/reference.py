"""Pages of the library's public names, which Sphinx fills from docstrings."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from docutils import nodes
from sphinx import addnodes

import dance_lib

INDEX = "reference"
PAGES = (  # what other people's code imports; notebooks and commands alone call the rest
    "dance_lib", "dance_lib.ava", "dance_lib.aap", "dance_lib.models", "dance_lib.executors",
    "dance_lib.meter", "dance_lib.data", "dance_lib.train", "dance_lib.rivals",
    "dance_lib.explain", "dance_lib.deploy", "dance_lib.study",
)  # fmt: skip
CONSTRAINED = re.compile(r"Annotated\[(\w+), FieldInfo\((?:[^()]|\([^()]*\))*\)\]")
CODE = re.compile(r"(`[^`\n]+`)")


def write_reference(folder: Path) -> None:
    """Write `reference.rst` and a page for each of `PAGES` into a folder of Sphinx sources."""
    (folder / INDEX).mkdir()
    for page in PAGES:
        text = "\n".join(_automodule(module) for module in _documented(page))
        _write(folder / INDEX / f"{page}.rst", page, text)
    listed = "\n".join(f"   {INDEX}/{page}" for page in PAGES)
    begin = (
        "What other code can rely on. ``import dance_lib as dance`` gives the names of the first"
    )
    toctree = f".. toctree::\n   :maxdepth: 1\n\n{listed}"
    _write(folder / f"{INDEX}.rst", "The library", f"{begin} page.\n\n{toctree}")


def in_rst(app: Any, what: str, name: str, of: Any, options: Any, lines: list[str]) -> None:
    """Turn the Markdown of a docstring into what Sphinx reads, an `autodoc-process-docstring`."""
    found, fenced = [], False
    for line in lines:
        if line.strip().startswith("```"):
            fenced = not fenced
            indent = line[: len(line) - len(line.lstrip())]
            language = line.strip().strip("`") or "text"
            found += [f"{indent}.. code-block:: {language}", ""] if fenced else [""]
        else:
            found.append(f"   {line}" if fenced else _line_in_rst(line))
    lines[:] = found


def plain_signature(
    app: Any,
    what: str,
    name: str,
    of: Any,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show `int` for a constrained `Annotated[int, ...]`, an `autodoc-process-signature`."""
    return _plain(signature), _plain(returns)


def plain_properties(app: Any, doctree: nodes.document) -> None:
    """Do the same for properties and attributes, whose types no event of autodoc tells."""
    for node in doctree.findall(addnodes.desc_annotation):
        if CONSTRAINED.search(node.astext()):
            node.children = [nodes.Text(_plain(node.astext()))]


def _plain(types: str | None) -> str | None:
    return types and CONSTRAINED.sub(r"\1", types)


def _line_in_rst(line: str) -> str:
    """`code` as a literal, and no other mark of reStructuredText but a list's."""
    code = CODE.split(line)
    marks = [
        re.sub(r"(?<=\S)\*|\*(?=\S)|\||(?<=\w)_(?!\w)", r"\\\g<0>", text) for text in code[::2]
    ]
    for i, text in enumerate(code[1::2]):
        after = "\\ " if marks[i + 1][:1].isalnum() else ""  # `unit`s
        marks[i] += f"`{text}`{after}"
    return "".join(marks)


def _documented(page: str) -> Iterator[str]:
    """The module itself where it names what is public or holds it; else a package's modules."""
    module = importlib.import_module(page)
    if hasattr(module, "__all__") or not hasattr(module, "__path__"):
        yield page
        return
    for found in iter_modules(module.__path__, f"{page}."):
        if not found.ispkg and not found.name.rpartition(".")[2].startswith("_"):
            yield found.name


def _automodule(module: str) -> str:
    """A section of one module; what `dance_lib` shows already is named and not told twice."""
    told = set(dance_lib.__all__) if module != "dance_lib" else set()
    names = sorted(told & set(getattr(importlib.import_module(module), "__all__", ())))
    links = ", ".join(f":py:obj:`{name} <dance_lib.{name}>`" for name in names)
    excluded = f"   :exclude-members: {', '.join(names)}\n\nAlso here: {links}.\n" if names else ""
    return f"{module}\n{'-' * len(module)}\n\n.. automodule:: {module}\n   :members:\n{excluded}"


def _write(file: Path, title: str, text: str) -> None:
    file.write_text(f"{title}\n{'=' * len(title)}\n\n{text}\n", encoding="utf-8")
