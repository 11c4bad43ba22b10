"""Everything that Sphinx makes a site of, written into one folder."""

from collections.abc import Iterable
from pathlib import Path

from dance_lib.site import drawn
from dance_lib.site.executed import Executed, find_executed
from dance_lib.site.front import front_page
from dance_lib.site.page import Page
from dance_lib.site.provenance import Run, read_runs, runs_behind, shown
from dance_lib.site.reference import INDEX, write_reference
from dance_lib.site.regenerate import commands

PAPERS = {"protocol": "results/paper/protocol.md", "choices": "REPRODUCTION.md"}


def write_sources(folder: Path, run_folder: Path, root: Path) -> None:
    """Write the first page, a page for each executed notebook, the protocol, and the reference.

    Raises:
        DanceError: the run folder holds no executed notebook, or a file in it can't be read.
    """
    executed = find_executed(run_folder, root)
    papers = {name: root / file for name, file in PAPERS.items() if (root / file).is_file()}
    for name, file in papers.items():
        (folder / f"{name}.md").write_bytes(file.read_bytes())
    for notebook in executed:
        notebook_page(notebook, run_folder, root).write(folder / f"{notebook.page}.ipynb")
    provenance_page(run_folder).write(folder / "provenance.ipynb")
    write_reference(folder)
    front_page(executed, run_folder, root).words(
        _contents("Tables and figures", (n for n in executed if n.draws))
        + _contents("Runs", (n for n in executed if not n.draws))
        + _toctree("About", [*papers, "provenance", INDEX])
    ).write(folder / "index.ipynb")


def notebook_page(executed: Executed, run_folder: Path, root: Path) -> Page:
    """Return the page of an executed notebook: what it holds, and how it was and is made."""
    page = Page(drawn.cells(drawn.read(executed), executed.title))
    if executed.run is None:
        page.words("**This notebook did not come to its end**: what is above may be a part of it.")
    page.words(
        "## Make this page again\n\nIn the folder of the study, with `.venv/bin` on the path:"
    )
    page.listing("\n".join(commands(executed, run_folder, root)) + "\n")
    runs = runs_behind(executed, run_folder, root)
    if runs:
        page.words("## Provenance\n\nThe run of this notebook, and those whose tables it reads.")
        _add_runs(page, runs)
    return page


def provenance_page(run_folder: Path) -> Page:
    """Return the page that tells how every run of the folder was made."""
    page = Page().words(
        "# Provenance\n\nEvery finished run of this folder, and what it was made with."
    )
    runs = read_runs(run_folder)
    return _add_runs(page, runs) if runs else page.words("No run has come to its end yet.")


def _add_runs(page: Page, runs: list[Run]) -> Page:
    alike, rows = shown(runs)
    page.listing("".join(f"{name}: {value}\n" for name, value in alike.items()))
    return page.table(rows)


def _contents(caption: str, notebooks: Iterable[Executed]) -> str:
    return _toctree(caption, [f"{notebook.title} <{notebook.page}>" for notebook in notebooks])


def _toctree(caption: str, entries: list[str]) -> str:
    listed = "\n".join(entries)
    return f"```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{listed}\n```\n\n" if entries else ""
