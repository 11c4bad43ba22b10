"""How much of the study has run: jobs done of those planned, arms and rivals that lack a run."""

from collections import Counter
from functools import cached_property
from pathlib import Path

import pandas as pd

from dance_lib.errors import DanceError
from dance_lib.site.executed import Executed
from dance_lib.site.provenance import made_with, read_runs
from dance_lib.study import paths
from dance_lib.study.graph import SOURCE, plan
from dance_lib.study.manifest import load_manifest
from dance_lib.study.matrix import ROWS, load_matrix
from dance_lib.study.profile import load_profile
from dance_lib.study.settings import Settings


class Extent:
    """What stands behind a report.

    Args:
        report: the executed notebook that judges; where it draws from another run folder, that one
            counts.
    """

    def __init__(self, report: Executed | None, run_folder: Path, root: Path):
        self._root = root
        self._elsewhere = report.parameters.get(SOURCE) if report else None
        folder = paths.resolve(self._elsewhere, root) if self._elsewhere else run_folder
        self._runs = read_runs(folder)
        self._settings = Settings.read(folder)

    def summary(self) -> str:
        """How much has run, and of what."""
        where = (
            f"What compares networks is drawn from the tables in {self._elsewhere}; these count "
            "here. "
            if self._elsewhere
            else ""
        )
        if self._settings is None or not self._planned:
            return f"{where}{len(self._runs)} jobs are done; of how many is not known."
        profile = self._settings.profile
        return (
            f"{where}{len(self._runs)} of {self._planned.total()} jobs are done of the profile "
            f"{profile}: {load_profile(self._root, profile).description}."
        )

    def jobs(self) -> pd.DataFrame:
        """A row a notebook: how many of its planned jobs are done, and its title."""
        done = Counter(run["notebook"] for run in self._runs)
        rows = [
            {
                "jobs done": f"{done[name]} of {self._planned[name] or '?'}",
                "notebook": name,
                "title": entry.title,
            }
            for name, entry in load_manifest(self._root).notebooks.items()
            if self._planned[name] or done[name]
        ]
        return pd.DataFrame(rows)

    def not_run(self) -> list[str]:
        """The titles of arms and rivals of the study without a run."""
        made = [made_with(run) for run in self._runs]
        return [
            row.title
            for name in ROWS
            for key, row in load_matrix(self._root).rows(name).items()
            if all(parameters.get(name) != key for parameters in made)
        ]

    @cached_property
    def _planned(self) -> Counter[str]:
        """Jobs of the profile by notebook; none where it is not known, or has changed since."""
        if self._settings is None:
            return Counter()
        try:
            jobs = plan(self._root, self._settings.profile, self._settings.overrides)
        except DanceError:
            return Counter()
        return Counter(job.notebook for job in jobs)
