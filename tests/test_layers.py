"""Layers: the core is thin, knows nothing of the study, and loads no optional package."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import dance_lib

CORE = ("models", "ava", "aap", "executors", "meter")
ABOVE = (
    "data", "study", "analysis", "train", "rivals", "bench", "cli", "devices", "deploy", "explain",
    "explorer", "site", "__main__",
)  # fmt: skip
OPTIONAL = (
    "av", "sklearn", "scipy", "seaborn", "matplotlib", "papermill", "snakemake", "typer", "yaml",
    "tqdm", "IPython", "psutil", "grimp", "pytorchvideo", "fvcore", "onnx", "onnxruntime",
    "openvino", "torch_pruning", "ipywidgets", "sphinx", "accelerate",
)  # fmt: skip
ROOT = Path(dance_lib.__file__).parent


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("dance_lib", cache_dir=None)


def modules_of(graph, name):
    package = f"dance_lib.{name}"
    return {package, *graph.find_descendants(package)}


@pytest.mark.parametrize(
    "name", [*CORE, "network", "checkpoint", "torchvision_schemas", "arguments", "errors", "shard"]
)
def test_the_core_reaches_nothing_above_it(graph, name):
    """Not even through others: every module that it imports, and those that they import."""
    forbidden = {f"dance_lib.{above}" for above in ABOVE}
    for module in modules_of(graph, name):
        reached = {".".join(m.split(".")[:2]) for m in graph.find_upstream_modules(module)}
        assert not reached & forbidden, f"{module} reaches {sorted(reached & forbidden)}"


@pytest.mark.parametrize(
    ("name", "below"),
    [("models", ()), ("aap", ("models", "meter")), ("meter", ("models", "aap")),
     ("executors", ("models", "aap", "meter", "network", "atomic")), ("ava", ("models",))],
)  # fmt: skip
def test_layers_within_the_core(graph, name, below):
    """Nobody reaches up to the checkpoints, and models stand alone.

    The sparse executor is made from a whole network, and keeps compiled kernels in a file.
    """
    allowed = {
        f"dance_lib.{n}"
        for n in (name, *below, "arguments", "errors", "shard", "torchvision_schemas")
    }
    for module in modules_of(graph, name):
        imported = {
            ".".join(m.split(".")[:2])
            for m in graph.find_modules_directly_imported_by(module)
            if m != "dance_lib"
        }
        assert imported <= allowed, f"{module} imports {sorted(imported - allowed)}"


IMPORTS = """
import importlib, json, sys
import torch
packages = lambda: sorted({m.partition(".")[0] for m in sys.modules})
before = packages()
for name in sys.argv[1:]:
    for module in [m for m in sys.modules if m.partition(".")[0] == "dance_lib"]:
        if module != "dance_lib.torchvision_schemas":  # its end would undo what it defined
            del sys.modules[module]
    module, _, attribute = name.partition(":")
    module = importlib.import_module(module)
    assert not attribute or getattr(module, attribute) is not None
print(json.dumps([before, packages()]))
"""


def test_imports_in_any_order_load_no_optional_package_and_warn_of_nothing(graph):
    """Every core module and public name can be the first to be asked for.

    What torch itself loads (tqdm, for its hub) is not ours to judge.
    """
    names = [m for core in (*CORE, "network", "checkpoint") for m in modules_of(graph, core)]
    names = [n for n in names if n not in modules_of(graph, "executors.cuda")]  # they need Triton
    names += [f"dance_lib:{name}" for name in dance_lib.__all__]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTS, *sorted(names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    by_torch, found = (set(names) & set(OPTIONAL) for names in json.loads(done.stdout))
    assert found == by_torch
    assert by_torch <= {"tqdm"}


def test_the_core_is_thin():
    """About 2,500 lines define pruning; the executor that skips takes 2,000 more, and a kernel.

    The one for GPUs stands beside it, in 1,700.
    """
    files = [f for name in CORE for f in (ROOT / name).rglob("*.py")] + [ROOT / "ava.py"]
    lines = {f: len(f.read_text(encoding="utf-8").splitlines()) for f in files}
    on_gpus = {f: lines.pop(f) for f in files if f.parent.name == "cuda"}
    assert sum(on_gpus.values()) < 1_750, on_gpus
    skips = {f: n for f, n in lines.items() if f.parent.name == "executors"}
    skips.pop(ROOT / "executors" / "masked.py")
    assert sum(skips.values()) < 2_000, skips
    assert sum(lines.values()) - sum(skips.values()) < 2_600, lines


def test_no_module_takes_the_place_of_what_its_package_gives():
    """To import `package.name` sets `name`, unless the package itself has imported it before."""
    for module in pkgutil.walk_packages(dance_lib.__path__, "dance_lib."):
        package, _, name = module.name.rpartition(".")
        if name in getattr(sys.modules[package], "__all__", ()):
            importlib.import_module(module.name)
            assert not inspect.ismodule(getattr(sys.modules[package], name)), module.name
