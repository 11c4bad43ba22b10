"""Too little memory: how it shows, and what helps."""

import re

SIGKILL = "killed by signal 9"
# By the kernel of the system, Python, torch, and a loader that lost a worker
SIGNS = re.compile(f"{SIGKILL}|MemoryError|not enough memory|allocate memory|signal: Killed")
REMEDY = "run fewer jobs at once (--cores 1), or smaller batches (-p batch_size=...)"


def with_remedy(failure: str) -> str:
    """Return what went wrong, and what helps where memory is to blame."""
    if not SIGNS.search(failure):
        return failure
    return f"{failure}; probably for want of memory: {REMEDY}"
