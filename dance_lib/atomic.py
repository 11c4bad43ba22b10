"""A file is either complete or absent: written beside its place, then renamed into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; on leaving, it replaces `path`. On an error nothing is left.

    The temporary name keeps the extension (matplotlib and papermill choose a format by it) and
    carries the process, so that two writers of one file never mix their bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{PARTIAL}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what killed writers left below `folder`; only for who knows that none is alive."""
    for partial in folder.rglob(f".*{PARTIAL}.*"):
        partial.unlink(missing_ok=True)
