"""A small disk of its own for a test: memory mounted as a file system."""

import ctypes
import subprocess
from contextlib import contextmanager
from functools import cache

CLONE_NEWNS = 0x00020000  # <linux/sched.h>


@contextmanager
def disk(folder, size):
    """Mount a disk of `size` (`64k`, `8m`) at `folder` for as long as the block lasts."""
    _leave_mounts_of_others()
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder)
    try:
        yield
    finally:
        _run("umount", "--lazy", folder)


def change(folder, options):
    """Change a mounted disk: `size=8m`, `ro`."""
    _run("mount", "-o", f"remount,{options}", folder)


@cache
def _leave_mounts_of_others():
    """From now on mounts are seen by this process and its children alone, and end with them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no mount name space of its own")
    _run("mount", "--make-rprivate", "/")


def _run(*command):
    subprocess.run(command, check=True)
