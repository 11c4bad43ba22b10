"""What every notebook of the study keeps to."""

import ast
import json
from pathlib import Path

import pytest

from dance_lib.study.graph import plan
from dance_lib.study.manifest import load_manifest
from dance_lib.study.notebook import code_cells, declared_parameters
from dance_lib.study.paths import NOTEBOOKS
from dance_lib.study.profile import list_profiles

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / NOTEBOOKS).glob("*.ipynb"))
MANIFEST = load_manifest(ROOT)
MOST_CELLS = 25
MOST_LINES = 14


def calls(file):
    """Yield every call `study.x(...)` or `run.x(...)` in a notebook's cells."""
    for cell in code_cells(file):
        for node in ast.walk(ast.parse(cell["source"])):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="study" | "run"), attr=name)):
                    yield name, node


def literals(call):
    return [argument.value for argument in call.args if isinstance(argument, ast.Constant)]


def test_notebooks_carry_no_outputs():
    for file in FILES:
        for cell in code_cells(file):
            assert cell["outputs"] == [], file.name
            assert cell["execution_count"] is None, file.name


def test_notebooks_tell_and_the_library_computes():
    for file in FILES:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        assert len(cells) <= MOST_CELLS, file.name
        assert cells[0]["cell_type"] == "markdown", f"{file.name} begins with what it is about"
        for cell in code_cells(file):
            if "parameters" not in cell["metadata"].get("tags", []):  # a list, not a program
                assert len(cell["source"].splitlines()) <= MOST_LINES, (file.name, cell["source"])
            tree = ast.walk(ast.parse(cell["source"]))
            assert not any(isinstance(node, ast.ClassDef) for node in tree), file.name


def test_every_notebook_declares_plain_parameters():
    for file in FILES:
        declared = declared_parameters(file)
        for name in MANIFEST.entry(file.stem).fan_out:
            assert not isinstance(declared[name], list), f"{file.name} fans out over {name}"


def test_every_notebook_begins_a_run_in_its_own_name_and_finishes_it():
    for file in FILES:
        names = [name for name, _ in calls(file)]
        assert names.count("Run") == names.count("finish") == 1, file.name
        source = "\n".join(cell["source"] for cell in code_cells(file))
        assert f'"{file.stem}"' in source, file.name


def test_a_notebook_reads_only_what_it_needs_and_that_is_made():
    for file in FILES:
        for name, call in calls(file):
            if name in ("read", "find"):
                notebook, product = literals(call)
                entry = MANIFEST.entry(notebook)
                assert notebook in MANIFEST.entry(file.stem).needs, file.name
                template = product if name == "find" else f"tables/{notebook}/{product}.csv"
                assert template in entry.products, f"{file.name} reads {template}"
                assert {word.arg for word in call.keywords} == set(entry.fan_out), file.name


def test_a_table_that_a_notebook_writes_is_in_the_manifest():
    for file in FILES:
        for name, call in calls(file):
            if name == "write":
                (table,) = literals(call)
                products = MANIFEST.entry(file.stem).products
                assert f"tables/{file.stem}/{table}.csv" in products, file.name


@pytest.mark.skipif(len(FILES) < len(MANIFEST.notebooks), reason="not all notebooks are written")
def test_every_profile_fits_the_notebooks_and_its_time_is_known():
    assert {file.stem for file in FILES} == set(MANIFEST.notebooks)
    for profile in list_profiles(ROOT):
        for job in plan(ROOT, profile, {}):
            assert profile in job.entry.minutes
