"""One process at a time: notebooks that run side by side want the same files made."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dance_lib.atomic import writing


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is making `folder`; the kernel frees the lock of a dead one."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.with_name(folder.name + ".lock").open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:  # said aloud: a worker forked meanwhile shares the lock, and may live longer
            fcntl.flock(file, fcntl.LOCK_UN)
