"""The page of an executed notebook: its words, code folded away, outputs safe, figures described.

The executed copy is not changed, and nothing is executed.
"""

import itertools
import re
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from dance_lib.errors import DanceError
from dance_lib.site.executed import Executed
from dance_lib.site.page import output_cell, picture_cell
from dance_lib.site.safe import safe_html, safe_markdown

ALT_LENGTH = 300  # of a description put together from the words around a figure
PNG, WIDGET = "image/png", "application/vnd.jupyter.widget-view+json"


def read(executed: Executed) -> NotebookNode:
    """Return the executed copy.

    Raises:
        DanceError: it is not a notebook.
    """
    found: dict[str, Exception] = {}
    try:
        notebook = nbformat.read(executed.file, 4, capture_validation_error=found)
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
        raise DanceError(f"{executed.file} is not a notebook: {error}") from error
    for fault in found.values():
        raise DanceError(f"{executed.file} is not a notebook: {fault}")
    return notebook


def cells(notebook: NotebookNode, title: str) -> list[NotebookNode]:
    """Return the cells of its page; a figure that lacks a description gets one from the words.

    Code without outputs joins the code below it, so that a reader meets one fold an output.
    """
    headed = any(cell.source.startswith("# ") for cell in notebook.cells)
    found = [] if headed else [new_markdown_cell(f"# {title}")]
    about, waiting = title, ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            waiting = f"{waiting}\n\n{cell.source}".strip()
            outputs = list(filter(None, map(_safe, cell.outputs)))
            if outputs:
                found += _code(waiting, outputs, about)
                waiting = ""
        elif cell.cell_type == "markdown" and not _is_banner(cell):
            found += _code(waiting, [], about) if waiting else []
            found.append(cell)
            about, waiting = _in_words(cell.source) or about, ""
    return [*found, *_code(waiting, [], about)] if waiting else found


def pictures(notebook: NotebookNode, title: str) -> list[tuple[str, str]]:
    """Return every figure as base64 PNG, with its description."""
    return [
        (output.data[PNG], cell.metadata.mystnb.image.alt)
        for cell in cells(notebook, title)
        for output in cell.get("outputs", [])
        if _is_picture(output)
    ]


def _code(source: str, outputs: list[NotebookNode], about: str) -> Iterator[NotebookNode]:
    """Folded code; then a cell for each figure, since a cell has one description for all."""
    beside = list(itertools.takewhile(lambda output: not _is_picture(output), outputs))
    yield new_code_cell(source, outputs=beside, metadata={"tags": ["hide-input"]})
    for output in outputs[len(beside) :]:
        if _is_picture(output):
            yield picture_cell(output, output.metadata.get(PNG, {}).get("alt") or about)
        else:
            yield output_cell(output)


def _is_banner(cell: NotebookNode) -> bool:
    """Whether papermill put it there since the run failed, which the page says by itself."""
    return "papermill-error-cell-tag" in cell.metadata.get("tags", [])


def _is_picture(output: NotebookNode) -> bool:
    return PNG in output.get("data", {})


def _safe(output: NotebookNode) -> NotebookNode | None:
    """An output as a page may show it; None for what needs a kernel, a network, or is a warning."""
    if output.output_type == "error":
        return output
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    if WIDGET in data:
        return None
    if PNG in data:
        return new_output("display_data", {PNG: data[PNG]}, metadata=output.metadata)
    if "text/html" in data:
        html = safe_html(data["text/html"])
    elif "text/markdown" in data:
        html = safe_markdown(data["text/markdown"])
    else:
        plain = data.get("text/plain", "")
        return new_output("display_data", {"text/plain": plain}) if plain else None
    return new_output("display_data", {"text/html": html})


def _in_words(markdown: str) -> str:
    """The text of a cell without headings and marks, cut to some sentences."""
    lines = [line for line in markdown.splitlines() if not line.startswith("#")]
    heading = re.search(r"^#+\s*(.+)", markdown, re.MULTILINE)
    text = " ".join([f"{heading[1]}." if heading else "", *lines])
    text = re.sub(r"[`*_]|\s+", lambda mark: " " if mark[0].isspace() else "", text).strip()
    if len(text) <= ALT_LENGTH:
        return text
    return text[:ALT_LENGTH].rpartition(" ")[0] + " …"
