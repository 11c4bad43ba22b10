"""A file is either complete or absent: written beside its place, then renamed into it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dance_lib.errors import DanceError

PARTIAL = ".partial"
REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room in your quota",
    errno.EROFS: "choose a folder that can be written, or mount it so",
    errno.EACCES: "choose a folder that you may write, or change its rights",
}


class UnwritableError(DanceError):
    """A file that the disk or its rights don't let be written; what stood there before still does.

    The message names the file, the reason and the remedy.
    """


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; on leaving, it replaces `path`. On an error nothing is left.

    The temporary name keeps the extension (matplotlib and papermill choose a format by it) and
    carries the process, so that two writers of one file never mix their bytes.

    Raises:
        UnwritableError: the disk is full or read-only, or the rights are missing.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}{PARTIAL}{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why `path` can't be written, where an error inside comes from that."""
    try:
        yield
    except DanceError:
        raise
    except Exception as error:
        refusal = _refusal(error, path)
        if refusal is None:
            raise
        reason, remedy = refusal.strerror, REMEDIES[refusal.errno or 0]
        raise UnwritableError(f"{path} can't be written: {reason}; {remedy}") from error


def _refusal(error: BaseException | None, path: Path) -> OSError | None:
    """The system's refusal to write `path`, where `error` is one or came from one.

    torch raises an error of its own in the place of the system's. An error that names a file of
    another folder is about that one.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in REMEDIES:
            place = path if error.filename is None else Path(os.fsdecode(error.filename))
            return error if path.is_relative_to(place.parent) else None
        error = error.__cause__ or error.__context__
    return None


def remove_partials(folder: Path) -> None:
    """Remove what killed writers left below `folder`; only for who knows that none is alive."""
    for partial in folder.rglob(f".*{PARTIAL}.*"):
        partial.unlink(missing_ok=True)
