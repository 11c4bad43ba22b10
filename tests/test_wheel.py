"""The wheel: what it holds, and that it works where nothing else of the repository is."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import dance_lib

ROOT = Path(__file__).parents[1]
DATA = (
    "py.typed", "study/Snakefile", "executors/conv.cpp", "deploy/kit/run.py",
    "site/static/site.css", "site/templates/claims.html",
)  # fmt: skip

TRIED = """
import sys
import dance_lib
assert dance_lib.__file__.startswith(sys.argv[1]), dance_lib.__file__
for name in dance_lib.__all__:
    getattr(dance_lib, name)
public = {}
exec("from dance_lib import *", public)
assert set(public) - {"__builtins__"} == set(dance_lib.__all__)
from dance_lib.__main__ import main
sys.argv = ["dance", "--version"]
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from what git knows, as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "dance_lib", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        said = Parser().parsestr(archive.read(metadata).decode())
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"dance_lib"}
    assert {f"dance_lib/{name}" for name in DATA} <= set(names)
    assert said["Version"] == dance_lib.__version__
    assert set(said.get_all("Provides-Extra")) == {
        "bench", "cluster", "cuda", "deploy", "dev", "devices", "lab", "site", "study",
    }  # fmt: skip


def test_it_installs_and_gives_the_public_names_only(wheel, tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    target = tmp_path / "installed"
    subprocess.run([*install, "--target", target, wheel], check=True, cwd=tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TRIED, str(target)],
        env={"PYTHONPATH": str(target), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"dance {dance_lib.__version__}\n"
