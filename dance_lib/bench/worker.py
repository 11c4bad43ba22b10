"""The process of one setting: `python -m dance_lib.bench.worker FOLDER`, the setting on stdin.

Nothing that starts threads is imported before the process is pinned to its cores.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dance_lib.atomic import replacing
from dance_lib.bench.setting import Cores, Setting
from dance_lib.errors import DanceError

if TYPE_CHECKING:
    import pandas as pd

TIMINGS = "timings.csv"
LATENCY = "latency.csv"
DONE = "setting.json"  # written last: a folder that has it is complete
KEPT_BYTES = str(1 << 40)  # freed memory stays with the process


def cores_of(threads: Cores) -> list[int]:
    """The cores a setting runs on: the first one this process may use, or all of them."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[:1] if threads == "one" else allowed


def environment(cores: int) -> dict[str, str]:
    """Variables of a worker, the same for every engine: threads, and memory that is kept.

    Large allocations otherwise go back to the system and cost page faults on every run.
    """
    threads = {name: str(cores) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return threads | {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


def is_finished(folder: Path, setting: Setting) -> bool:
    """Whether the folder holds the tables of this very setting."""
    done = folder / DONE
    return done.is_file() and done.read_text(encoding="utf-8") == setting.model_dump_json()


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a CSV, whole or not at all."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)


def work(folder: Path, setting: Setting) -> None:
    """Measure the setting on its cores and write its tables, whole or not at all."""
    cores = cores_of(setting.threads)
    os.sched_setaffinity(0, cores)
    from dance_lib.bench.measure import measure

    measured = measure(setting, len(cores))
    (folder / DONE).unlink(missing_ok=True)
    for name, table in ((TIMINGS, measured.timings), (LATENCY, measured.latency)):
        write_table(table, folder / name)
    with replacing(folder / DONE) as partial:
        partial.write_text(setting.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]), Setting.model_validate_json(sys.stdin.read()))
    except DanceError as error:
        sys.exit(f"error: {error}")
