"""No door of the library leads from a file to code, or from an archive to another folder.

Files are read by formats that hold data alone. What follows is asked of the source itself, so that
a new reader passes here too.
"""

import ast
from pathlib import Path

import pytest

import dance_lib

ROOT = Path(dance_lib.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
RUN_OR_UNPACK = {
    "eval", "exec", "compile", "__import__", "Unpickler", "read_pickle", "unsafe_load", "full_load",
    "unpack_archive", "extract", "extractall", "system", "popen", "getoutput",
}  # fmt: skip
HARMLESS = {"re.compile", "torch.compile"}  # and `.eval()` of a network
CODE = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "zipfile", "h5py"}
TAR = {"deploy/device/ssh.py", "deploy/device/far_side.py"}  # file by file, by names that we sent


def calls(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name(call):
    return ast.unparse(call.func)


def options(call):
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.parametrize("file", FILES)
def test_nothing_runs_or_unpacks_what_it_reads(file):
    for call in calls(file):
        said, last = name(call), name(call).rpartition(".")[2]
        of_a_network = last == "eval" and "." in said and not call.args
        if last in RUN_OR_UNPACK and said not in HARMLESS and not of_a_network:
            pytest.fail(f"line {call.lineno} calls {said}")
        assert options(call).get("shell", "False") == "False", f"line {call.lineno}: a shell"


@pytest.mark.parametrize("file", FILES)
def test_readers_that_could_run_code_are_told_not_to(file):
    for call in calls(file):
        if name(call) == "torch.load":
            assert options(call).get("weights_only") == "True", f"line {call.lineno}"
        if name(call) in ("np.load", "numpy.load"):
            assert options(call).get("allow_pickle", "False") == "False", f"line {call.lineno}"
        assert name(call) != "yaml.load" or "Safe" in ast.unparse(call), f"line {call.lineno}"


@pytest.mark.parametrize("file", FILES)
def test_no_module_that_keeps_code_in_files_is_imported(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert not imported & CODE
    assert "tarfile" not in imported or file in TAR
