"""All settings, one process each; what is finished is kept, so a killed bench loses little."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dance_lib.bench.setting import BenchError, Setting
from dance_lib.bench.speed_targets import judge
from dance_lib.bench.worker import (
    DONE,
    TABLES,
    Task,
    environment,
    is_finished,
    write_table,
)

# By task: below the output folder, where each setting has a folder of its own
SETTINGS: dict[Task, str] = {"latency": "settings", "energy": "energy"}
TARGETS = "targets.csv"

Work = Callable[[Path, Setting], bool]  # folder of the setting -> whether it was finished


def run_bench(
    settings: list[Setting],
    out: Path,
    *,
    task: Task = "latency",
    force: bool = False,
    say: Callable[[str], None] = print,
    work: Work | None = None,
) -> list[Setting]:
    """Measure what is not measured yet, and join the tables of all settings after each.

    Writes below `out`: `timings.csv`, a row a run; `latency.csv`, a row a model, precision, number
    of cores, batch and engine or plan; `targets.csv`; or `energy.csv`, a row a loop and part of the
    machine; and the tables of each setting in a folder of its own. The joined ones hold every
    finished setting in `out`, also of earlier runs.

    Args:
        task: times, or energy.
        force: measure finished settings again.
        work: does one setting; by default in a fresh process.

    Returns:
        The settings that failed; the rest is finished.

    Raises:
        BenchError: `out` can't be written.
    """
    settings_in = out / SETTINGS[task]
    _check_writable(settings_in)
    work = work or (lambda folder, setting: in_process(folder, setting, task))
    failed = []
    for number, setting in enumerate(settings, 1):
        folder = settings_in / setting.name
        if not force and is_finished(folder, setting):
            say(f"kept    {setting.name} ({number} of {len(settings)}; --force measures it again)")
            continue
        say(f"start   {setting.name} ({number} of {len(settings)})")
        if work(folder, setting):
            join_tables(out, task)
        else:
            say(f"FAILED  {setting.name}")
            failed.append(setting)
    if any(settings_in.glob(f"*/{DONE}")):
        join_tables(out, task)
    return failed


def in_process(folder: Path, setting: Setting, task: Task = "latency") -> bool:
    """Run one worker, its memory and threads set up by its environment."""
    variables = environment(setting.threads)
    done = subprocess.run(
        [sys.executable, "-m", "dance_lib.bench.worker", str(folder), task],
        input=setting.model_dump_json(),
        text=True,
        env={**os.environ, **variables},
        check=False,
    )
    return done.returncode == 0


def join_tables(out: Path, task: Task = "latency") -> None:
    """Write the tables of all finished settings as one each, and what became of the targets."""
    folders = [done.parent for done in sorted((out / SETTINGS[task]).glob(f"*/{DONE}"))]
    for name in TABLES[task]:
        joined = pd.concat([pd.read_csv(folder / name) for folder in folders], ignore_index=True)
        write_table(joined, out / name)
    if task == "latency":
        write_table(judge(joined), out / TARGETS)


def _check_writable(folder: Path) -> None:
    remedy = "give another folder as --out"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"can't write {folder.parent}: {error.strerror}; {remedy}") from error
    if not os.access(folder, os.W_OK):
        raise BenchError(f"can't write {folder.parent}: permission denied; {remedy}")
