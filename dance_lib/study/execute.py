"""Run one notebook by papermill; the batch calls this module once for each job.

The executed copy appears when the run has ended, be it well or not: a notebook that fails is kept
up to the failing cell, which is named in one line.
"""

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from dance_lib.atomic import UnwritableError, replacing
from dance_lib.study.kernel import NAME, OwnKernelManager
from dance_lib.study.memory import with_remedy

# glibc hands every large tensor back to the system and asks for it anew, page fault by page fault;
# told to keep them, a training step takes about 15 % less time (measured).
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**35)}
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class NotebookError(Exception):
    """A notebook stopped at a cell; the message is one line."""


def execute(source: Path, target: Path, parameters: dict[str, Any], threads: int) -> None:
    """Execute `source` with `parameters` in its own folder, as JupyterLab does, into `target`.

    Raises:
        NotebookError: a cell failed or the kernel died; `target` holds what was done.
        UnwritableError: `target` can't be written; what was there before still is.
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
        except OSError:  # the copy can't be written
            raise
        except Exception as error:  # the kernel is gone, or never came
            failure = f"{_death(error)} {_last_cell(partial)}"
            if not partial.is_file():
                raise NotebookError(f"{target.stem}: {with_remedy(failure)}") from error
    if failure:
        raise NotebookError(f"{target.stem}: {with_remedy(failure)}; kept as {target}")


def check_products(target: Path, products: Iterable[Path]) -> None:
    """Raise NotebookError where a run that went well has not made what the manifest says."""
    for product in products:
        if not product.is_file():
            raise NotebookError(f"{target.stem}: ran to its end without making {product}")


def _describe(error: PapermillExecutionError) -> str:
    place = f"cell In [{error.exec_count}] `{_first_line(error.source)}` failed"
    return f"{place}: {error.ename}: {textwrap.shorten(error.evalue, 400)}"


def _death(error: Exception) -> str:
    """How the kernel ended; where it did not, the error."""
    match OwnKernelManager.ended_with:
        case None:
            return f"{type(error).__name__}: {_first_line(str(error))}"
        case status if status < 0:
            return f"kernel killed by signal {-status}"
        case status:
            return f"kernel ended with status {status}"


def _last_cell(partial: Path) -> str:
    """Return the cell that was begun last, when papermill last saved."""
    if not partial.is_file():
        return "before the first cell"
    cells = nbformat.read(partial, as_version=4).cells
    begun = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    return f"in the cell `{_first_line(begun[-1].source)}`" if begun else "before the first cell"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


def _end_with(batch: int) -> None:
    """Have the system kill this process when its parent, the batch, dies; the kernel follows."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != batch:
        sys.exit("error: the batch is gone")  # before the system was told


def main() -> None:
    """Read the command line and execute; a failed notebook ends with status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--parameters", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--products", type=Path, nargs="*", default=[])
    parser.add_argument("--batch", type=int, help="the parent process, whose end ends this one")
    arguments = parser.parse_args()
    if arguments.batch is not None:
        _end_with(arguments.batch)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    try:
        execute(
            arguments.source.resolve(),
            arguments.target.resolve(),
            arguments.parameters,
            arguments.threads,
        )
        check_products(arguments.target, arguments.products)
    except (NotebookError, UnwritableError) as failure:
        sys.exit(f"error: {failure}")
    except OSError as failure:  # of the system, as with a full folder for temporary files
        sys.exit(f"error: {arguments.target.stem}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)  # the batch says so


if __name__ == "__main__":
    main()
