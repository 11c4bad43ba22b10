"""What `make audit` makes of pip-audit's answer; a module of that name here gives it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLEAN = {"name": "numpy", "version": "2.4.0", "vulns": []}
HOLE = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [{"id": "PYSEC-2022-10", "fix_versions": ["9.0.1"]}],
}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found"}


def audit(folder, said):
    answer = said if isinstance(said, str) else json.dumps({"dependencies": said})
    (folder / "pip_audit.py").write_text(f"print({answer!r})")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, ROOT / "env" / "audit.py", sys.executable],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "status", "lines"),
    [
        ([CLEAN], 0, ["1 packages asked for, 0 known holes"]),
        (
            [CLEAN, HOLE, UNKNOWN],
            1,
            [
                "pillow 9.0.0: PYSEC-2022-10, mended in 9.0.1",
                "2 packages asked for, 1 known holes; not known there: torch",
            ],
        ),
    ],
)
def test_holes_are_told_and_are_a_failure(tmp_path, said, status, lines):
    done = audit(tmp_path, said)
    assert (done.returncode, done.stdout.splitlines()) == (status, lines)


@pytest.mark.parametrize("said", [[UNKNOWN], "ERROR: no connection"])
def test_without_an_answer_it_is_one_line_and_no_success(tmp_path, said):
    done = audit(tmp_path, said)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the database of known holes")
    assert done.stderr.endswith("run it where a network allows it\n")
    assert len((done.stdout + done.stderr).splitlines()) == 1
