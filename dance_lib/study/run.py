"""One run of one notebook: where its products go, and the row that says how they were made."""

import json
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from dance_lib.arguments import checked
from dance_lib.atomic import replacing
from dance_lib.errors import DanceError
from dance_lib.study import paths, provenance
from dance_lib.study.manifest import load_manifest
from dance_lib.study.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("measured", "counted", "modelled", "estimated", "not tested")


class Run:
    """Begin a run; `finish` ends it.

    Args:
        notebook: the notebook's name, `03_aap`.
        results: the run folder; a relative path starts at the root of the study.
        parameters: all parameters of the notebook. Those it fans out over become part of the names
            of its files, all are kept in the provenance.

    Raises:
        DanceError: the notebook is unknown, a value it fans out over is missing, or the folder
            holds the products of other parameters.
    """

    @checked
    def __init__(self, notebook: str, results: str | Path, **parameters: Any):
        self._root = paths.find_root()
        fan_out = load_manifest(self._root).entry(notebook).fan_out
        missing = [name for name in fan_out if name not in parameters]
        if missing:
            raise DanceError(f"{notebook} fans out over {missing[0]}: give its value to Run")
        self.notebook = notebook
        self.folder = paths.resolve(results, self._root)
        self.parameters = parameters
        self.values = {name: parameters[name] for name in fan_out}
        self._check_folder()
        self._start = datetime.now(UTC)
        self._clock = perf_counter()
        # The start tells two runs of one job apart, the folder two jobs started together.
        stamp = self._start.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.id = f"{self.folder.name}/{notebook}{paths.suffix(self.values)}@{stamp}"

    @checked
    def path(self, template: str) -> Path:
        """Return the place of a product, `checkpoints/01_dense/net.safetensors`; makes its folder.

        The path is the manifest's; the values fanned out over are put into it.
        """
        place = self.folder / paths.with_values(template, self.values)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    @checked
    def write(self, table: pd.DataFrame, name: str) -> None:
        """Write a tidy table, every row with the `run_id`.

        Raises:
            DanceError: a row does not say, in `kind`, where its numbers come from.
        """
        strange = set(table["kind"]) - set(KINDS) if "kind" in table else {"nothing"}
        if strange:
            raise DanceError(f"{name}: the kind of a row is {_either(KINDS)}, not {strange.pop()}")
        with replacing(self.path(paths.table(self.notebook, name))) as partial:
            table.assign(run_id=self.id).to_csv(partial, index=False)

    def figure(self, figure: "Figure", name: str) -> None:
        """Write a figure as PNG, and show it with a description in words; that closes it."""
        from dance_lib.study.figure import show

        with replacing(self.path(paths.figure(self.notebook, name))) as partial:
            figure.savefig(partial, bbox_inches="tight")
        show(figure)

    @checked
    def finish(self, data_hash: str = "") -> None:
        """Write the row of this run: what it was made with, how long it took, its peak memory.

        Args:
            data_hash: the hash of the data set; empty where the notebook reads tables only.
        """
        commit, dirty = provenance.commit(self._root)
        row = {
            "run_id": self.id,
            "notebook": self.notebook,
            "commit": commit,
            "dirty": dirty,
            "seed": self.parameters.get("seed"),
            **provenance.machine(),
            **provenance.versions(),
            "data_hash": data_hash,
            "parameters": json.dumps(self.parameters),
            "start": self._start.isoformat(timespec="seconds"),
            "duration_s": round(perf_counter() - self._clock, 3),
            "peak_memory_mb": provenance.peak_memory_mb(),
        }
        with replacing(self.path(paths.provenance(self.notebook))) as partial:
            pd.DataFrame([row]).to_csv(partial, index=False)

    def _check_folder(self) -> None:
        """A notebook run by hand does not overwrite what a batch made with other parameters."""
        settings = Settings.read(self.folder)
        held = settings.parameters.get(self.notebook, {}) if settings else {}
        for name, value in held.items():
            mine = json.loads(json.dumps(self.parameters.get(name, value)))
            if mine != value:
                raise DanceError(
                    f"{self.folder} is made with {name}={value!r}, not {mine!r}: "
                    "give another folder as `results`"
                )


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
