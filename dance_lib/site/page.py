"""Pages as notebooks of their own, which myst-nb renders: words, tables, pictures, listings."""

import base64
import struct
from html import escape
from pathlib import Path
from typing import Any, Self

import nbformat
import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dance_lib.site.safe import safe_html

WIDE = 800  # pixels; fitted to a phone, words of a figure as wide as that can't be read


class Page:
    """Cells one below the other; what is data and not Markdown comes in escaped.

    Args:
        cells: those it begins with.
    """

    def __init__(self, cells: list[NotebookNode] | None = None):
        self._cells = list(cells or [])

    def words(self, markdown: str) -> Self:
        """Add Markdown that the study itself wrote."""
        self._cells.append(new_markdown_cell(markdown))
        return self

    def html(self, html: str) -> Self:
        """Add HTML in which text is escaped already."""
        return self._add(new_output("display_data", {"text/html": html}))

    def text(self, text: str) -> Self:
        """Add a paragraph."""
        return self.html(f"<p>{escape(text)}</p>")

    def items(self, texts: list[str]) -> Self:
        """Add a list of texts."""
        return self.html(
            "".join(["<ul>", *(f"<li>{escape(text)}</li>" for text in texts), "</ul>"])
        )

    def links(self, titles: dict[str, str]) -> Self:
        """Add a list of pages, by name, with their titles."""
        links = (f'<a href="{page}.html">{escape(title)}</a>' for page, title in titles.items())
        return self.html("".join(["<ul>", *(f"<li>{link}</li>" for link in links), "</ul>"]))

    def table(self, rows: pd.DataFrame) -> Self:
        """Add a table; what its cells and columns hold is text."""
        return self.html(safe_html(rows.to_html(index=False, na_rep="")))

    def listing(self, text: str) -> Self:
        """Add lines as they are, commands for example."""
        return self._add(new_output("stream", name="stdout", text=text))

    def picture(self, png: str, alt: str) -> Self:
        """Add a picture (base64) and what it shows, in words."""
        self._cells.append(picture_cell(new_output("display_data", {"image/png": png}), alt))
        return self

    def write(self, file: Path) -> None:
        """Write the notebook."""
        nbformat.write(self.notebook(), file)

    def notebook(self) -> NotebookNode:
        """Return the page as a notebook."""
        return new_notebook(cells=self._cells, metadata={"language_info": {"name": "python"}})

    def _add(self, output: NotebookNode) -> Self:
        self._cells.append(output_cell(output))
        return self


def output_cell(output: NotebookNode, **metadata: Any) -> NotebookNode:
    """Return a cell that is nothing but an output; one without any source would be left out."""
    about = {"tags": ["remove-input"], **metadata}
    return new_code_cell("...", outputs=[output], metadata=about)


def picture_cell(output: NotebookNode, alt: str) -> NotebookNode:
    """Return a cell that is nothing but a picture, described in words.

    A wide one gets a class of its own: on a phone it scrolls.
    """
    (width,) = struct.unpack(">I", base64.b64decode(output.data["image/png"][:32])[16:20])
    about = {"alt": alt, "classes": "wide" if width > WIDE else "whole"}
    return output_cell(output, mystnb={"image": about})
