"""From manifest, profile and overrides to jobs: which notebook runs with which values, after which.

The one rule of fanning out: a job has one value of each name in its notebook's `fan_out`, and runs
once for every combination that the study matrix wants, with the parameters of its arm. It needs
those jobs of the notebooks before it that agree with it on the names both have; a notebook that
declares such a name as a list gathers all the values in it.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dance_lib.errors import DanceError
from dance_lib.study import paths
from dance_lib.study.manifest import Entry, Manifest, listed, load_manifest
from dance_lib.study.matrix import SEED, Matrix, load_matrix
from dance_lib.study.notebook import declared_parameters
from dance_lib.study.profile import Profile, load_profile
from dance_lib.study.schema import unknown
from dance_lib.study.values import settle

SOURCE = "source"  # the parameter of notebooks that draw: a run folder other than their own


@dataclass(frozen=True)
class Job:
    """One notebook with one set of values. Paths are relative to the run folder."""

    notebook: str
    entry: Entry
    values: dict[str, Any]  # of the names fanned out over
    parameters: dict[str, Any]  # all of them, but for `results`
    templates: tuple[str, ...]
    reads: tuple[str, ...]  # files outside the run folder, relative to the root
    needs: tuple["Job", ...]

    @property
    def name(self) -> str:
        """The notebook and its values: `03_aap.seed=0.ava=cv`."""
        return self.notebook + paths.suffix(self.values)

    @property
    def outputs(self) -> list[str]:
        """The files the job makes."""
        return [paths.with_values(template, self.values) for template in self.templates]

    @property
    def executed(self) -> str:
        """The executed copy of the notebook."""
        return paths.with_values(paths.executed(self.notebook), self.values)

    def claims(self, cores: int) -> int:
        """Return how many of the machine's `cores` nothing else may use meanwhile."""
        return cores if self.entry.exclusive else min(self.entry.threads, cores)

    @property
    def inputs(self) -> list[str]:
        """The files of other jobs that it may read."""
        return [file for job in self.needs for file in job.outputs]


class _NotRunError(DanceError):
    """A notebook wants values which the one it needs does not run with."""


def plan(
    root: Path, profile: str, overrides: Mapping[str, str], only: Sequence[str] = ()
) -> list[Job]:
    """Return all jobs of the study, every one after those it needs.

    Args:
        only: notebooks asked for, all of them where none is named. Others have no jobs where what
            they need does not run: with `arm=frozen`, say, those that compare it with another arm.

    Raises:
        DanceError: an unknown profile, notebook or parameter, a value that does not fit, a
            notebook that wants values which the one it needs does not run with, or one that is
            asked for and has no job.
    """
    manifest = load_manifest(root)
    declared = {
        name: declared_parameters(paths.notebook_file(root, name)) for name in manifest.notebooks
    }
    study = Study(
        root, manifest, load_matrix(root), load_profile(root, profile), overrides, declared
    )
    study.check_names()
    wanted = manifest.with_needs(only or manifest.notebooks)
    jobs: dict[str, list[Job]] = {}
    for notebook in study.manifest.notebooks:
        try:
            jobs[notebook] = list(study.jobs(notebook, jobs))
        except _NotRunError:
            if notebook in wanted:
                raise
            jobs[notebook] = []
    for notebook in only:
        if not jobs[notebook]:
            values = study.settled(notebook)
            name = next(n for n in manifest.entry(notebook).fan_out if not values[n])
            raise DanceError(f"{notebook} runs for each {name}, and here is none: -p {name}=A,B")
    return list(itertools.chain.from_iterable(jobs.values()))


@dataclass(frozen=True)
class Study:
    """What is written down about the study, and what the command line adds."""

    root: Path
    manifest: Manifest
    matrix: Matrix
    profile: Profile
    overrides: Mapping[str, str]
    declared: Mapping[str, Mapping[str, Any]]  # by notebook, its parameters' literals

    def check_names(self) -> None:
        """Every name for all notebooks is known to one of them; every notebook named exists."""
        known = {name for parameters in self.declared.values() for name in parameters}
        for name in (*self.profile.parameters, *self.overrides):
            if name not in known:
                raise unknown("parameter", name, known)
        for notebook in self.profile.notebooks:
            if notebook not in self.declared:
                raise unknown("notebook", notebook, self.declared)

    def settled(self, notebook: str, row: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a notebook's parameters: literals, profile, arm or rival, command line."""
        declared = self.declared[notebook]
        takes = {name for name in declared if self._takes(notebook, name)}
        shared = {n: value for n, value in self.profile.parameters.items() if n in takes}
        typed = {n: value for n, value in self.overrides.items() if n in takes}
        chosen = {**shared, **self._of_notebook(notebook), **(row or {}), **typed}
        return settle(notebook, declared, chosen, self.manifest.entry(notebook).fan_out)

    def _of_notebook(self, notebook: str) -> Mapping[str, Any]:
        """What the profile says of one notebook alone. Tables of another run folder were not made
        with what is typed on the command line, so then it draws what this batch makes."""
        own = self.profile.notebooks.get(notebook, {})
        return {} if SOURCE in own and self.overrides else own

    def _takes(self, notebook: str, name: str) -> bool:
        """Whether profile and command line set this parameter: what others fan out over and this
        notebook takes one of (the AVA variant of an arm), the matrix decides."""
        own = name in self.manifest.entry(notebook).fan_out
        single = not isinstance(self.declared[notebook][name], list)
        return own or not (single and name in self.manifest.fan_out_names)

    def jobs(self, notebook: str, earlier: Mapping[str, list[Job]]) -> Iterator[Job]:
        """Yield the notebook's jobs, one for each combination of the values it fans out over."""
        entry, shared = self.manifest.entry(notebook), self.settled(notebook)
        needed = {need: _Needed(notebook, need, earlier[need], shared) for need in entry.needs}
        templates = self.manifest.templates(notebook)
        settled: dict[int, dict[str, Any]] = {}  # once for each row: a sweep has many jobs
        for combination in itertools.product(*(shared[name] for name in entry.fan_out)):
            values = dict(zip(entry.fan_out, combination, strict=True))
            if not self.matrix.wants(values, shared.get(SEED, [])):
                continue
            row = self.matrix.row(values)
            if id(row) not in settled:
                settled[id(row)] = self.settled(notebook, row.parameters) if row else shared
            parameters = {**settled[id(row)], **values}
            reads = _filled(notebook, entry.reads, parameters)
            needs: tuple[Job, ...] = ()
            if elsewhere := parameters.get(SOURCE):  # made before, in that folder
                reads += paths.tables_below(self.root, elsewhere)
            else:
                needs = tuple(job for need in needed.values() for job in need.matching(parameters))
            yield Job(notebook, entry, values, parameters, templates, reads, needs)


class _Needed:
    """The jobs of one notebook as another needs them: found by the values of the names both have.

    Looked up and not searched, or the time to plan would grow with the square of the jobs.
    """

    def __init__(
        self, notebook: str, need: str, jobs: Sequence[Job], parameters: Mapping[str, Any]
    ) -> None:
        self.notebook, self.need = notebook, need
        self.names = [name for name in (jobs[0].values if jobs else ()) if name in parameters]
        self.run_with = {name: {job.values[name] for job in jobs} for name in self.names}
        self.found: dict[tuple[Any, ...], list[Job]] = {}
        for job in jobs:
            self.found.setdefault(tuple(job.values[name] for name in self.names), []).append(job)

    def matching(self, parameters: Mapping[str, Any]) -> Iterator[Job]:
        """Yield the jobs whose values are among `parameters`; a list of values gathers.

        Raises:
            DanceError: the notebook does not run with one of the values, or with these together.
        """
        wanted = {name: listed(parameters[name]) for name in self.names}
        for name, values in wanted.items():
            if not self.run_with[name].issuperset(values):
                missing = next(value for value in values if value not in self.run_with[name])
                raise self._not_run(f"{name}={missing}")
        jobs = [self.found.get(values, []) for values in itertools.product(*wanted.values())]
        if self.found and not any(jobs):
            raise self._not_run(
                ", ".join(f"{name}={'|'.join(map(str, values))}" for name, values in wanted.items())
            )
        return itertools.chain.from_iterable(jobs)

    def _not_run(self, values: str) -> _NotRunError:
        return _NotRunError(f"{self.notebook} needs {self.need} with {values}, which is not run")


def _filled(
    notebook: str, reads: tuple[str, ...], parameters: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the paths with parameters' values in the place of their names."""
    try:
        return tuple(path.format_map(parameters) for path in reads)
    except KeyError as error:
        raise unknown(f"parameter of {notebook}", str(error.args[0]), parameters) from error
