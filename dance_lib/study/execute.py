"""Run one notebook by papermill; the batch calls this module once for each job.

The executed copy appears when the run has ended, be it well or not: a notebook that fails is kept
up to the failing cell, which is named in one line.
"""

import argparse
import json
import logging
import os
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from dance_lib.atomic import replacing
from dance_lib.study.kernel import NAME, OwnKernelManager

# glibc hands every large tensor back to the system and asks for it anew, page fault by page fault;
# told to keep them, a training step takes about 15 % less time (DESIGN, section 9).
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**35)}


class NotebookError(Exception):
    """A notebook stopped at a cell; the message is one line."""


def execute(source: Path, target: Path, parameters: dict[str, Any], threads: int) -> None:
    """Execute `source` with `parameters` in its own folder, as JupyterLab does, into `target`.

    Raises:
        NotebookError: a cell failed or the kernel died; `target` holds what was done.
    """
    os.environ |= KEEP_MEMORY | {"OMP_NUM_THREADS": str(threads)}  # read when the kernel starts
    failure = None
    with replacing(target) as partial:
        try:
            papermill.execute_notebook(
                str(source),
                str(partial),
                parameters=parameters,
                kernel_name=NAME,
                language="python",
                kernel_manager_class=OwnKernelManager,
                cwd=str(source.parent),
                progress_bar=False,
            )
        except PapermillExecutionError as error:
            failure = _describe(error)
        except Exception as error:  # the kernel is gone: killed, or out of memory
            failure = f"{type(error).__name__} {_last_cell(partial)}: {_first_line(str(error))}"
            if not partial.is_file():
                raise NotebookError(f"{target.stem}: {failure}") from error
    if failure:
        raise NotebookError(f"{target.stem}: {failure}; kept as {target}")


def check_products(target: Path, products: Iterable[Path]) -> None:
    """Raise NotebookError where a run that went well has not made what the manifest says."""
    for product in products:
        if not product.is_file():
            raise NotebookError(f"{target.stem}: ran to its end without making {product}")


def _describe(error: PapermillExecutionError) -> str:
    place = f"cell In [{error.exec_count}] `{_first_line(error.source)}` failed"
    return f"{place}: {error.ename}: {textwrap.shorten(error.evalue, 400)}"


def _last_cell(partial: Path) -> str:
    """Return the cell that was begun last, when papermill last saved."""
    if not partial.is_file():
        return "before the first cell"
    cells = nbformat.read(partial, as_version=4).cells
    begun = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    return f"in the cell `{_first_line(begun[-1].source)}`" if begun else "before the first cell"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


def main() -> None:
    """Read the command line and execute; a failed notebook ends with status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--parameters", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--products", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    try:
        execute(
            arguments.source.resolve(),
            arguments.target.resolve(),
            arguments.parameters,
            arguments.threads,
        )
        check_products(arguments.target, arguments.products)
    except NotebookError as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)  # the batch says so


if __name__ == "__main__":
    main()
