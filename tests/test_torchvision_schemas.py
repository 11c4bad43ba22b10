"""The shim that lets torchvision import beside a CPU-only torch, each case in its own process."""

import json
import subprocess
import sys
from functools import cache

import dance_lib.torchvision_schemas as schemas

LOAD = f"""
import importlib.util, json, torch
def have():
    return [n for n in ("nms", "qnms") if hasattr(torch.ops.torchvision, n)]
def shim():
    spec = importlib.util.spec_from_file_location("shim", {schemas.__file__!r})
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
"""


def run(code):
    """What a fresh interpreter prints last, as JSON; its return code and complaints."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD + code], capture_output=True, text=True, check=False
    )
    last = done.stdout.strip().splitlines()[-1:] or ["null"]
    return done.returncode, json.loads(last[0]), done.stderr


@cache
def has_ordinary_wheels():
    """Whether torchvision imports without help, as beside the torch it was built for.

    The day it does beside every torch, the module under test can go.
    """
    code, _, complaint = run("import torchvision")
    assert code == 0 or "torchvision::nms does not exist" in complaint
    return code == 0


def test_torchvision_imports_with_it():
    """Beside either torch, which alone brings no such operator; nothing is left to define then."""
    code, result, complaint = run(
        "before = have(); first = shim(); import torchvision\n"
        "print(json.dumps([before, have(), first.define_missing_schemas()]))"
    )
    assert code == 0, complaint
    assert result == [[], ["nms", "qnms"], []]


def test_it_does_nothing_where_the_operators_exist():
    """Brought by torchvision's own library where that loads, defined by this test elsewhere."""
    if has_ordinary_wheels():
        bring = "import torchvision"
    else:
        bring = """
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
    code, result, complaint = run(
        bring + "\nprint(json.dumps([have(), shim().define_missing_schemas()]))"
    )
    assert code == 0, complaint
    assert result == [["nms", "qnms"], []]


def test_it_defines_only_what_is_missing():
    """One operator there, the other not: a second definition of the first would be an error."""
    bring = "import torchvision"
    if not has_ordinary_wheels():
        bring = """
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
    code, result, complaint = run(bring + "\nshim(); print(json.dumps(have()))")
    assert code == 0, complaint
    assert result == ["nms", "qnms"]
