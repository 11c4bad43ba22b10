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
    LATENCY,
    TIMINGS,
    cores_of,
    environment,
    is_finished,
    write_table,
)

SETTINGS = "settings"  # a folder a setting, below the output folder
TARGETS = "targets.csv"

Work = Callable[[Path, Setting], bool]  # folder of the setting -> whether it was finished


def run_bench(
    settings: list[Setting],
    out: Path,
    *,
    force: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] = print,
    work: Work | None = None,
) -> list[Setting]:
    """Measure what is not measured yet, and join the tables of all settings after each.

    Writes below `out`: `timings.csv`, a row a run; `latency.csv`, a row a model, precision, number
    of cores, batch and engine or plan; `targets.csv`; and the same two of each setting in a folder
    of its own. The joined tables hold every finished setting in `out`, also of earlier runs.

    Args:
        force: measure finished settings again.
        quiet: no progress bars.
        work: does one setting; by default in a fresh process.

    Returns:
        The settings that failed; the rest is finished.

    Raises:
        BenchError: `out` can't be written.
    """
    _check_writable(out)
    work = work or (lambda folder, setting: in_process(folder, setting, quiet))
    failed = []
    for number, setting in enumerate(settings, 1):
        folder = out / SETTINGS / setting.name
        if not force and is_finished(folder, setting):
            say(f"kept    {setting.name} ({number} of {len(settings)}; --force measures it again)")
            continue
        say(f"start   {setting.name} ({number} of {len(settings)})")
        if work(folder, setting):
            join_tables(out)
        else:
            say(f"FAILED  {setting.name}")
            failed.append(setting)
    if any((out / SETTINGS).glob(f"*/{DONE}")):
        join_tables(out)
    return failed


def in_process(folder: Path, setting: Setting, quiet: bool = False) -> bool:
    """Run one worker, its memory and threads set up by its environment."""
    variables = environment(len(cores_of(setting.threads)))
    done = subprocess.run(
        [sys.executable, "-m", "dance_lib.bench.worker", str(folder)],
        input=setting.model_dump_json(),
        text=True,
        env={**os.environ, **variables, **({"TQDM_DISABLE": "1"} if quiet else {})},
        check=False,
    )
    return done.returncode == 0


def join_tables(out: Path) -> None:
    """Write the tables of all finished settings as one each, and what became of the targets."""
    folders = [done.parent for done in sorted((out / SETTINGS).glob(f"*/{DONE}"))]
    for name in (TIMINGS, LATENCY):
        joined = pd.concat([pd.read_csv(folder / name) for folder in folders], ignore_index=True)
        write_table(joined, out / name)
    write_table(judge(joined), out / TARGETS)


def _check_writable(out: Path) -> None:
    remedy = "give another folder as --out"
    try:
        (out / SETTINGS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"can't write {out}: {error.strerror}; {remedy}") from error
    if not os.access(out, os.W_OK):
        raise BenchError(f"can't write {out}: permission denied; {remedy}")
