"""What a run was made with: commit, machine, library versions, time and memory."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "torchvision", "pytorchvideo", "numpy", "pandas", "av", "scikit-learn")


def commit(root: Path) -> tuple[str, bool | None]:
    """Return the commit checked out in `root` and whether files differ from it.

    Outside a repository, or without git: ("unknown", None).
    """
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head.strip(), bool(_git(root, "status", "--porcelain").strip())
    except (OSError, subprocess.CalledProcessError):
        return "unknown", None


def machine() -> dict[str, Any]:
    """Return device, threads and instruction set.

    torch is asked only where the notebook has loaded it: a notebook that just draws does not wait
    for it, and its instruction set decides nothing.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
        return {"device": _processor(), "threads": threads, "instruction_set": ""}
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_initialized() else _processor(),
        "threads": torch.get_num_threads(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide numbers."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


def peak_memory_mb() -> float:
    """Return the most memory this process has held, in MB of 10⁶ bytes.

    The kernel's `VmHWM` and not `getrusage`: the latter starts at the parent's size.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(kib) * 1024 / 1e6, 1)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _processor() -> str:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    return next(names, platform.machine())


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"
