"""The executed notebooks of a run folder, each with its place in the study and how it ran."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dance_lib.errors import DanceError
from dance_lib.site.provenance import Run, made_with, read_run
from dance_lib.study import paths
from dance_lib.study.manifest import Entry, load_manifest


@dataclass(frozen=True)
class Executed:
    """One executed notebook.

    Attributes:
        file: the executed copy. notebook: its name in the manifest. entry: what is said there.
        run: how it ran; None where it failed or has not ended yet.
    """

    file: Path
    notebook: str
    entry: Entry
    run: Run | None

    @property
    def page(self) -> str:
        """The name of its page, fit for an address."""
        return re.sub(r"[^\w-]+", "-", self.file.stem)

    @property
    def title(self) -> str:
        """Its title in lists, a line: the manifest's, with the values of its job."""
        values = [unquote(v).replace("=", " ") for v in self.file.stem.split(".")[1:]]
        title = ", ".join([f"{self.notebook.split('_')[0]} {self.entry.title}", *values])
        return " ".join(title.split())

    @property
    def draws(self) -> bool:
        """Whether it draws tables and figures of other runs; if not, it trains or measures."""
        return not self.entry.fan_out

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of its run."""
        return made_with(self.run) if self.run else {}


def find_executed(run_folder: Path, root: Path) -> list[Executed]:
    """Return the executed notebooks of a run folder, in the order of the manifest.

    Raises:
        DanceError: there are none.
    """
    found = list(_find(run_folder, root))
    if not found:
        raise DanceError(
            f"{run_folder} holds no executed notebook of the study; `dance reproduce` makes them"
        )
    return found


def newest_run(root: Path) -> Path:
    """Return `results/default` where its report has been drawn, else the reference run."""
    own, reference = (root / paths.RESULTS / name for name in ("default", "reference/full"))
    report = load_manifest(root).report
    return own if (own / paths.provenance(report)).is_file() else reference


def _find(run_folder: Path, root: Path) -> Iterator[Executed]:
    files = sorted((run_folder / "notebooks").glob("*.ipynb"))
    for notebook, entry in load_manifest(root).notebooks.items():
        for file in files:
            if file.stem.partition(".")[0] == notebook:
                row = run_folder / paths.provenance(file.stem)
                yield Executed(file, notebook, entry, read_run(row) if row.is_file() else None)
