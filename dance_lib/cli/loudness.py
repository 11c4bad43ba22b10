"""How much the command line says: `--quiet`, `--verbose`, or neither."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

BARS_OFF = "TQDM_DISABLE"  # tqdm's own variable, which processes that are started inherit


@contextmanager
def loudness(quiet: bool, verbose: bool) -> Iterator[None]:
    """While open, the library's log goes to stderr: errors, warnings too, or all of it.

    Quiet also takes the progress bars away, from processes that are started as well.
    """
    logger = logging.getLogger("dance_lib")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    level, bars = logger.level, os.environ.get(BARS_OFF)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.WARNING)
    if quiet:
        os.environ[BARS_OFF] = "1"
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        if quiet and bars is None:
            del os.environ[BARS_OFF]
        elif bars is not None:
            os.environ[BARS_OFF] = bars
