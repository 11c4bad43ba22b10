"""One measurement under load, in a process of its own: `python load_worker.py WHAT SIZE FOLDER`.

Prints a JSON row: `cpu_s` and `wall_s`, with those of processes it started, and `peak_mb`, how far
resident memory rose at most above where it stood before.
"""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from torch.utils.data import DataLoader

from dance_lib.data.clips import batches
from dance_lib.data.index import load_index
from dance_lib.data.opening import open_clips
from dance_lib.study.reproduce import Request, reproduce

JOBS_A_SEED = 9  # of the smoke profile; 13 more whatever the seeds
Work = Callable[[], int]  # does it, and returns how much was done


def index(folder: Path, size: int) -> Work:
    """List the clips below a folder."""
    return lambda: len(load_index("folder", folder / "clips", test_fraction=0.0))


def decode(folder: Path, size: int) -> Work:
    """Decode them into a cache."""
    return lambda: len(_open(folder))


def iterate(folder: Path, size: int) -> Work:
    """Take all of them from the cache in batches, shuffled."""
    clips = _open(folder)
    return lambda: sum(len(rows) for _, _, rows in batches(clips, 64, shuffle_seed=0))


def fetch(folder: Path, size: int) -> Work:
    """Take all of them one by one, as PyTorch's own loader does."""
    loader = DataLoader(_open(folder), batch_size=64)
    return lambda: sum(len(rows) for _, _, rows in loader)


def plan(folder: Path, size: int) -> Work:
    """Plan the whole study over enough seeds for `size` jobs: what would run, and why."""
    said: list[str] = []
    seeds = ",".join(map(str, range(size // JOBS_A_SEED)))
    request = Request(folder, profile="smoke", overrides=[f"seed={seeds}"], dry_run=True)
    return lambda: reproduce(request, said.append) * sum("would start" in line for line in said)


def _open(folder: Path):
    return open_clips(
        "folder",
        folder / "clips",
        split="train",
        clip_shape=(4, 16, 16),
        test_fraction=0.0,
        cache_root=folder / "cache",
    )


def _cpu_s() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def _resident_mb(which: str) -> float:
    """`VmRSS`, resident now, or `VmHWM`, the most since it was last forgotten."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{which}:")[1].split()[0]) / 1024


def main() -> None:
    """Measure what the command line names, once it is prepared."""
    what, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    works = {each.__name__: each for each in (index, decode, iterate, fetch, plan)}
    work = works[what](folder, size)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    resident, cpu, wall = _resident_mb("VmRSS"), _cpu_s(), perf_counter()
    done = work()
    row = {"what": what, "size": done, "cpu_s": _cpu_s() - cpu, "wall_s": perf_counter() - wall}
    print(json.dumps(row | {"peak_mb": _resident_mb("VmHWM") - resident}))


if __name__ == "__main__":
    main()
