"""The manifest: which notebooks there are, what each needs and makes, and how long it takes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from dance_lib.study.paths import MANIFEST, provenance
from dance_lib.study.schema import Strict, read_yaml, unknown


class Entry(Strict):
    """One notebook.

    `fan_out` names the parameters of which every job has one value: a list of values becomes as
    many jobs, and the values are part of the names of the products. `reads` are files outside the
    run folder, relative to the root, which need not be there; `{name}` stands for a parameter's
    value. `minutes` is the expected time of one job, by profile. An `exclusive` notebook times or
    meters something: nothing else runs beside it. `threads` is what the kernel may use in either
    case.
    """

    title: str
    needs: tuple[str, ...] = ()
    fan_out: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    minutes: dict[str, PositiveFloat]
    threads: PositiveInt = 1
    exclusive: bool = False


class Manifest(Strict):
    """All notebooks in the order they are read; `report` is the one to open at the end."""

    report: str
    notebooks: dict[str, Entry] = Field(min_length=1)

    def entry(self, notebook: str) -> Entry:
        """Return a notebook's entry; an unknown name is a DanceError that lists the known ones."""
        if notebook not in self.notebooks:
            raise unknown("notebook", notebook, self.notebooks)
        return self.notebooks[notebook]

    def templates(self, notebook: str) -> tuple[str, ...]:
        """Return what a notebook makes: its products, and the provenance that each one writes."""
        return (*self.notebooks[notebook].products, provenance(notebook))

    def with_needs(self, notebooks: Iterable[str]) -> set[str]:
        """Return these notebooks and all they need, directly or not."""
        wanted = set(notebooks)
        for name in reversed(self.notebooks):  # what is needed stands earlier
            if name in wanted:
                wanted.update(self.notebooks[name].needs)
        return wanted

    @property
    def fan_out_names(self) -> set[str]:
        """The parameters that some notebook fans out over."""
        return {name for entry in self.notebooks.values() for name in entry.fan_out}

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        """A notebook needs earlier ones only, so the order of the file is an order to run in."""
        earlier: set[str] = set()
        for name, entry in self.notebooks.items():
            for need in entry.needs:
                if need not in earlier:
                    raise ValueError(f"{name} needs {need}, which is not listed before it")
            earlier.add(name)
        if self.report not in earlier:
            raise ValueError(f"the report {self.report} is not among the notebooks")
        return self

    @model_validator(mode="after")
    def _check_products(self) -> Self:
        """One file has one maker, and stays inside the run folder."""
        makers: dict[str, str] = {}
        for notebook in self.notebooks:
            for template in self.templates(notebook):
                if template in makers:
                    raise ValueError(f"{template} is made by {makers[template]} and {notebook}")
                if Path(template).is_absolute() or ".." in Path(template).parts:
                    raise ValueError(f"{notebook}: {template} lies outside the run folder")
                makers[template] = notebook
        return self


def load_manifest(root: Path) -> Manifest:
    """Read `notebooks/manifest.yml`; a DanceError names the first thing that does not fit."""
    return read_yaml(root / MANIFEST, Manifest)


def listed(value: Any) -> list[Any]:
    """Return the values of a name that is fanned out over: one, or a list of them."""
    return value if isinstance(value, list) else [value]
