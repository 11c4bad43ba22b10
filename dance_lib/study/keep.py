"""Keep what a run folder holds, small enough for git: tables, provenance, executed notebooks.

Checkpoints, figures and caches stay behind. Large tables are compressed; `read` finds them so.
"""

import json
import lzma
from pathlib import Path

from dance_lib.atomic import replacing
from dance_lib.errors import DanceError
from dance_lib.study import paths
from dance_lib.study.manifest import load_manifest
from dance_lib.study.settings import Settings

LARGE = 50_000  # bytes from which a table is compressed
COMPRESSED = ".xz"


def keep(run_folder: Path, target: Path, root: Path) -> int:
    """Copy what is new or has changed into `target` and return how many files that were.

    Of a job that has not finished (it has no provenance yet) nothing is kept. Executed notebooks
    are kept of those that draw, since the others' say nothing that their tables do not.

    Raises:
        DanceError: the folder holds no finished run, or is `target` itself.
    """
    if target == run_folder:
        raise DanceError(f"{target} is the run folder itself: keep it in another")
    finished = {file.stem for file in (run_folder / "runs").glob("*.csv")}
    if not finished:
        raise DanceError(f"{run_folder} holds no finished run: nothing to keep")
    copied = 0
    for file in sorted(run_folder.glob("runs/*.csv")):
        copied += _copy(file, target / "runs" / file.name)
    for file in sorted(run_folder.glob("tables/*/*.csv")):
        if file.parent.name + _values(file) in finished:
            copied += _copy(file, target / file.relative_to(run_folder))
    for notebook, entry in load_manifest(root).notebooks.items():
        executed = run_folder / paths.executed(notebook)
        if not entry.fan_out and notebook in finished and executed.is_file():
            copied += _copy(executed, target / executed.relative_to(run_folder))
    return copied + _keep_settings(run_folder, target)


def _keep_settings(run_folder: Path, target: Path) -> bool:
    """Write the settings, marked as kept; those of the first folder stay: another one kept there
    later was made with the same, or drawn from these tables."""
    settings = Settings.read(run_folder)
    if settings is None or (target / paths.SETTINGS).is_file():
        return False
    settings.model_copy(update={"kept": True}).write(target)
    return True


def _without_paths(notebook: Path) -> bytes:
    """An executed notebook without the places where papermill read and wrote it, and without
    warnings, which name files of the machine."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for place in ("input_path", "output_path"):
        content.get("metadata", {}).get("papermill", {}).pop(place, None)
    for cell in content.get("cells", []):
        if "outputs" in cell:
            cell["outputs"] = [out for out in cell["outputs"] if out.get("name") != "stderr"]
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _values(file: Path) -> str:
    """The values in a product's name: `.seed=0.arm=aap` of `clips.seed=0.arm=aap.csv`."""
    _, dot, values = file.stem.partition(".")
    return dot + values


def _copy(source: Path, target: Path) -> bool:
    """Copy, a table compressed where large; return whether anything changed."""
    notebook = source.suffix == ".ipynb"
    content = _without_paths(source) if notebook else source.read_bytes()
    forms = target, target.with_name(target.name + COMPRESSED)
    large = not notebook and len(content) > LARGE
    target, other = forms[::-1] if large else forms
    other.unlink(missing_ok=True)  # it was of another size
    if large:
        content = lzma.compress(content, preset=9)  # the same bytes for the same table
    if target.is_file() and target.read_bytes() == content:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        partial.write_bytes(content)
    return True
