"""The study itself, in a folder of its own."""

import shutil
from pathlib import Path

from dance_lib.study.paths import NOTEBOOKS, RESULTS

ROOT = Path(__file__).parents[2]


def copy_study(root: Path) -> None:
    """Copy what a run starts from: the notebooks, the claims, the kept tables."""
    for part in (NOTEBOOKS, RESULTS / "paper", RESULTS / "reference"):
        shutil.copytree(ROOT / part, root / part)
