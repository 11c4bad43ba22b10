"""The process of one setting: `python -m dance_lib.bench.worker FOLDER TASK`, setting on stdin.

Nothing that starts threads is imported before the process is pinned to its cores.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from dance_lib.atomic import replacing
from dance_lib.bench.setting import Cores, Setting
from dance_lib.errors import DanceError

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["latency", "energy"]  # times a run each, or long loops under a meter
TIMINGS = "timings.csv"
LATENCY = "latency.csv"
ENERGY = "energy.csv"
TABLES: dict[Task, tuple[str, ...]] = {"latency": (TIMINGS, LATENCY), "energy": (ENERGY,)}
DONE = "setting.json"  # written last: a folder that has it is complete
KEPT_BYTES = str(1 << 40)  # freed memory stays with the process


def cores_of(threads: Cores) -> list[int]:
    """The cores a setting runs on: the first one this process may use, or all of them."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[:1] if threads == "one" else allowed


def environment(of: Cores) -> dict[str, str]:
    """Variables of a worker, the same for every engine: threads, and memory that is kept.

    Large allocations otherwise go back to the system and cost page faults on every run.
    """
    cores = len(cores_of(of))
    threads = {name: str(cores) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return threads | {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
        "TORCHINDUCTOR_COMPILE_THREADS": str(cores if of == "cuda" else 1),
    }


def is_finished(folder: Path, setting: Setting) -> bool:
    """Whether the folder holds the tables of this very setting."""
    done = folder / DONE
    return done.is_file() and done.read_text(encoding="utf-8") == setting.model_dump_json()


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a CSV, whole or not at all."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)


def work(folder: Path, setting: Setting, task: Task) -> None:
    """Measure the setting on its cores and write its tables, whole or not at all."""
    cores = cores_of(setting.threads)
    os.sched_setaffinity(0, cores)
    found = _measure(setting, len(cores), task)
    (folder / DONE).unlink(missing_ok=True)
    for name, table in zip(TABLES[task], found, strict=True):
        write_table(table, folder / name)
    with replacing(folder / DONE) as partial:
        partial.write_text(setting.model_dump_json(), encoding="utf-8")


def _measure(setting: Setting, cores: int, task: Task) -> "tuple[pd.DataFrame, ...]":
    if task == "energy":
        from dance_lib.bench.energy import measure_energy

        return (measure_energy(setting, cores),)
    from dance_lib.bench.measure import measure

    measured = measure(setting, cores)
    return measured.timings, measured.latency


if __name__ == "__main__":
    try:
        asked = Setting.model_validate_json(sys.stdin.read())
        work(Path(sys.argv[1]), asked, cast(Task, sys.argv[2]))
    except DanceError as error:
        sys.exit(f"error: {error}")
