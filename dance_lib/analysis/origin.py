"""Where the tables that a notebook draws come from."""

import json

import pandas as pd

from dance_lib import study

CHANGED = {False: "none", True: "yes"}


def of_tables(made: str, source: str | None) -> str:
    """One line for the head of a notebook that draws: which run folder, which commits."""
    runs = study.runs(made)
    commits = ", ".join(sorted({str(commit)[:8] for commit in runs.get("commit", [])}))
    count = f"{len(runs)} runs of commit {commits or 'unknown'}"
    if source is None:
        return f"Tables: `{made}`, made by this batch ({count})."
    return (
        f"**Reference tables**, committed in `{source}` ({count}), drawn anew and not made by this "
        "batch. `make reproduce PROFILE=full` makes them. What has not run yet is left out."
    )


def stage_times(results: str) -> pd.DataFrame:
    """How many runs of each notebook there are, and how long they took."""
    made = study.runs(results)
    times = made.groupby("notebook")["duration_s"].agg(["count", "mean", "max", "sum"])
    return pd.DataFrame(
        {
            "notebook": times.index,
            "runs": times["count"],
            "minutes, mean": times["mean"] / 60,
            "minutes, most": times["max"] / 60,
            "hours, all": times["sum"] / 3600,
        }
    ).reset_index(drop=True)


def runs_table(results: str) -> pd.DataFrame:
    """Where, when and how every run of this folder was made."""
    columns = ["notebook", "of", "commit", "dirty", "seed", "device", "threads"]
    made = study.runs(results)
    made = made.assign(of=made["parameters"].map(_told_apart_by))
    made = made[[*columns, "duration_s", "peak_memory_mb"]]
    made = made.assign(commit=made["commit"].str[:8], dirty=made["dirty"].map(CHANGED))
    return made.rename(
        columns={"dirty": "files changed", "duration_s": "seconds", "peak_memory_mb": "peak MB"}
    )


def _told_apart_by(parameters: str) -> str:
    """The arm, rival or variant that a run is of; a notebook that draws has lists of them."""
    given = json.loads(parameters)
    named = (given.get(name) for name in ("rival", "arm", "ava"))
    return next((value for value in named if isinstance(value, str)), "")
