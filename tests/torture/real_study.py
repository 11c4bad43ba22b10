"""The study's own training notebooks on clips so few and small that they take half a minute."""

import shutil
from pathlib import Path

import pandas as pd
import yaml

from dance_lib.study.paths import MANIFEST, MATRIX, notebook_file
from tests.study.made import StudyFolder

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ("01_dense", "02_ava", "03_aap")
PARAMETERS = {
    "seed": 0,
    "ava": ["none", "cv"],
    "arm": ["aap"],
    "frames": 8,
    "size": 32,
    "train_clips": 36,
    "test_clips": 18,
    "dense_epochs": 2,
    "ava_epochs": 1,
    "controller_epochs": 1,
    "joint_epochs": 2,
}
# What a clock read, and the run's name, which holds the time
MEASURED = ("seconds", "run_id")


class RealStudy(StudyFolder):
    """Four jobs: the dense network, AVA and its control side by side, the controller."""

    def __init__(self, root: Path):
        manifest = yaml.safe_load((ROOT / MANIFEST).read_text())
        entries = {name: manifest["notebooks"][name] for name in NOTEBOOKS}
        super().__init__(
            root,
            yaml.safe_dump({"report": NOTEBOOKS[-1], "notebooks": entries}),
            yaml.safe_dump({"description": "half a minute", "parameters": PARAMETERS}),
        )
        shutil.copy(ROOT / MATRIX, root / MATRIX)
        for name in NOTEBOOKS:
            shutil.copy(notebook_file(ROOT, name), notebook_file(root, name))


def tables(run_folder: Path) -> dict[str, pd.DataFrame]:
    """Every table as text, without its measured columns."""
    return {
        str(file.relative_to(run_folder)): pd.read_csv(file, dtype=str).drop(
            columns=[*MEASURED], errors="ignore"
        )
        for file in sorted(run_folder.glob("tables/*/*.csv"))
    }


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> int:
    """How many tables are there in both and equal to the last digit."""
    return sum(name in other and table.equals(other[name]) for name, table in one.items())


def jobs_of(word: str, said: str) -> dict[str, str]:
    """By job the lines of a batch that begin with a word: start, done or FAILED."""
    lines = [line for line in said.splitlines() if line.startswith(f"{word} ")]
    return {line.split()[1]: line for line in lines}
