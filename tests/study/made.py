"""Studies made for the tests, and `dance reproduce` on them."""

import json
import subprocess
import sys
from pathlib import Path

MAKE = [
    'results = "results/small"\nseed = 0\nscale = 1.5\nepochs = 2\nnote = None',
    "import pandas as pd\n\nfrom dance_lib import study",
    'run = study.Run("01_make", results, seed=seed, scale=scale, epochs=epochs, note=note)',
    'run.write(pd.DataFrame({"value": [seed * scale], "kind": "measured"}), "values")',
    'run.finish(data_hash="abc")',
]
ADD = [
    'results = "results/small"\nseed = 0\nway = "none"',
    "from dance_lib import study",
    'run = study.Run("02_add", results, seed=seed, way=way)',
    'table = study.read(results, "01_make", "values", seed=seed)',
    'run.write(table.assign(value=table.value + len(way)), "sums")\nrun.finish()',
]
SHOW = [
    'results = "results/small"\nseed = [0]\nway = ["none"]',
    "from dance_lib import study",
    'run = study.Run("10_show", results, seed=seed, way=way)',
    'print(study.read(results, "02_add", "sums", seed=seed, way=way).value.sum())',
    "run.finish()",
]
NOTEBOOKS = {"01_make": MAKE, "02_add": ADD, "10_show": SHOW}
MANIFEST = """
report: 10_show
notebooks:
  01_make:
    title: Make values
    fan_out: [seed]
    products: [tables/01_make/values.csv]
    minutes: {small: 0.1}
  02_add:
    title: Add to them
    needs: [01_make]
    fan_out: [seed, way]
    products: [tables/02_add/sums.csv]
    minutes: {small: 0.1}
  10_show:
    title: Show the sums
    needs: [02_add]
    minutes: {small: 0.1}
"""
PROFILE = """
description: a few seconds
parameters: {seed: 0}
notebooks:
  02_add: {way: [none, cv]}
  10_show: {way: [none, cv]}
"""


class StudyFolder:
    """The folder of a study, and `dance reproduce` on it in a process of its own."""

    def __init__(self, root: Path, manifest: str, profile: str):
        self.root = root
        self.run_folder = root / "results" / "small"
        self.profile = root / "notebooks" / "profiles" / "small.yml"
        self.manifest = root / "notebooks" / "manifest.yml"
        self.profile.parent.mkdir(parents=True)
        self.profile.write_text(profile)
        self.manifest.write_text(manifest)

    def start(self, *arguments: str, **options) -> subprocess.Popen[str]:
        """Start `dance reproduce` in the folder."""
        command = [sys.executable, "-m", "dance_lib", "reproduce", "--profile", "small"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([*command, *arguments], cwd=self.root, **streams | options)

    def reproduce(self, *arguments: str, status: int = 0, **options) -> str:
        """Run it to its end; return what it said, having checked the status."""
        batch = self.start(*arguments, **options)
        said, _ = batch.communicate(timeout=600)
        assert batch.returncode == status, said
        return said


class MadeStudy(StudyFolder):
    """Three notebooks that take seconds, since they load no torch."""

    def __init__(self, root: Path):
        super().__init__(root, MANIFEST, PROFILE)
        for name, sources in NOTEBOOKS.items():
            self.write_notebook(name, sources)

    def write_notebook(self, name: str, sources: list[str]) -> Path:
        """Write a notebook of code cells; the first has the parameters."""
        cells = [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "execution_count": None,
                "metadata": {} if number else {"tags": ["parameters"]},
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(sources)
        ]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        file = self.root / "notebooks" / f"{name}.ipynb"
        file.write_text(json.dumps(notebook))
        return file

    def insert(self, name: str, source: str) -> None:
        """Put a cell before the last two of one of the three notebooks."""
        *before, last, end = NOTEBOOKS[name]
        self.write_notebook(name, [*before, source, last, end])
