"""Whatever a public function can't use, it refuses: the argument is named, and what it may be.

`CALLS` has, for every public function, arguments that it takes. Each argument in turn is replaced
by something of no use to anybody; what has the right type and makes no sense is in `SENSELESS`.
"""

import importlib
import inspect
from dataclasses import replace
from functools import cache, partial
from operator import attrgetter

import numpy as np
import pandas as pd
import pytest
import torch

import dance_lib as dance
from dance_lib.data import ClipSampling, DigitsSettings
from dance_lib.errors import DanceError
from dance_lib.train import Recipe, train_dense
from tests.networks import CLASSES, TwoBlocks
from tests.threads import one_thread  # noqa: F401
from tests.train.small import make_clips, make_net

PACKAGES = ("aap", "data", "meter", "models", "rivals", "study", "train")
CONSTANTS = {"AXES", "DATASETS", "KINDS"}
MADE_BY_US = {  # what functions give back; nobody else makes one
    "Branch", "DecodedClips", "Masks", "Prediction", "Pruned", "Rival", "Structure", "Unit",
    "VideoClips",
}  # fmt: skip
BATCH, ROWS = 2, 6


class Useless:
    """Nothing that any function takes."""

    def __repr__(self):
        return "useless"


@cache
def net():
    return make_net()


@cache
def plan():
    return dance.PruningPlan.random(net(), BATCH, frames=0.5)


@cache
def clips():
    return make_clips(ROWS, video_width=8, video_height=8, video_frames=4)


def decisions():
    """Those of a plan that keeps everything."""
    structure, yes = net().structure, partial(torch.ones, 1)
    return {
        "structure": structure,
        "frames": {b.name: yes(b.size[0]) for b in structure.branches.values()},
        "tiles": {b.name: yes(*b.grid) for b in structure.branches.values()},
        "channels": {unit: yes(structure.groups(unit)) for unit in structure.channel_owners},
    }


def trained(**more):
    """Arguments of a stage of training."""
    return {"net": net(), "clips": clips(), "recipe": Recipe(), "seed": 0, "resume": None} | more


def taught(**more):
    return trained(teacher=torch.zeros(ROWS, CLASSES), **more)


def opened(**more):
    return {
        "dataset": "folder", "data_root": "x", "fold": None, "val_fraction": 0.0,
        "test_fraction": 0.2, "seed": 0, "table": None, "lists": None, "allow_missing": False,
        "allow_outside": False,
    } | more  # fmt: skip


CALLS = {
    "dance_lib": {
        "Dance": lambda: {
            "backbone": TwoBlocks(), "clip_shape": TwoBlocks.clip, "axes": ["frames"], "grid": 7,
            "group_size": 8, "mean": 0.4, "std": 0.2, "reads": "stem",
        },
        "PruningPlan": lambda: {axis: getattr(plan(), axis) for axis in dance.aap.plan.AXES},
        "PruningPlan.cat": lambda: {"plans": [plan(), plan()]},
        "PruningPlan.from_decisions": decisions,
        "PruningPlan.full": lambda: {"net": net(), "batch": 1},
        "PruningPlan.random": lambda: {
            "net": net(), "batch": 1, "frames": 0.5, "channels": 0.5, "features": 0.5, "seed": 0,
        },
        "count": lambda: {"net": net(), "plan": plan()},
        "create_model": lambda: {
            "name": "r2plus1d_narrow", "num_classes": 2, "clip_shape": (3, 4, 16, 16),
            "weights": None,
        },
        "list_models": dict,
        "load": lambda: {"path": "x.safetensors", "backbone": None},
        "save": lambda: {"net": net(), "path": "x.safetensors", "classes": ()},
        "sparse": lambda: {"net": net(), "backend": "cpu", "dtype": None},
    },
    "dance_lib.aap": {
        "Budget": lambda: {"target": 0.5, "slack": (0.0, 0.1), "anneal": 0.5, "axis_share": 0.1},
        "Controller": lambda: {
            "structure": net().structure, "axes": ["frames"], "grid": 7, "hidden": 16,
            "open_bias": 2.0, "prior": 3.0, "reads": None, "opened": [], "average": False,
        },
        "stem_statistics": lambda: {"maps": torch.zeros(1, 2, 3, 4, 4), "grid": 7},
    },
    "dance_lib.data": {
        "ClipSampling": lambda: ClipSampling().model_dump(),
        "ClipSet": lambda: {
            name: getattr(clips(), name)
            for name in ("table", "classes", "hash", "skipped", "frames", "stored", "order")
        },
        "DigitsSettings": lambda: DigitsSettings().model_dump(),
        "DigitsSettings.of_clips": lambda: {"frames": 8, "size": 32},
        "augmentation": lambda: {"flip": False, "shift": 0.1, "brightness": 0.2},
        "batches": lambda: {
            "clips": clips(), "batch_size": 2, "shuffle_seed": 0, "augment": None,
            "process": (0, 1),
        },
        "decode_clips": lambda: {
            "paths": ["a.mp4"], "data_root": "x", "cache_root": "y", "clip_shape": (4, 8, 8),
            "sampling": None, "name": "clips", "strict": False, "workers": 1,
        },
        "load_index": lambda: opened(split=None),
        "make_digits": lambda: {"root": "x", "settings": DigitsSettings(), "workers": 1},
        "open_clips": lambda: opened(
            split="train", clip_shape=(4, 8, 8), limit=None, sampling=None, strict=False,
            cache_root="y", digits=None, workers=1,
        ),
        "read_video": lambda: {
            "path": "a.mp4", "clip_shape": (4, 8, 8), "sampling": None, "name": "a"
        },
        "shuffled_frames": lambda: {"clips": clips(), "seed": 0},
        "single_frame": lambda: {"clips": clips(), "seed": 0},
        "size_only_accuracy": lambda: {"train": clips(), "test": clips(), "seed": 0},
        "size_only_predictions": lambda: {"train": clips(), "test": clips(), "seed": 0},
    },
    "dance_lib.meter": {
        "branch_ratios": lambda: {"structure": net().structure, "masks": plan()},
        "mac_ratios": lambda: {"structure": net().structure, "masks": plan(), "extra_macs": 0},
        "unit_macs": lambda: {"structure": net().structure, "masks": plan()},
    },
    "dance_lib.models": {
        "find_structure": lambda: {
            "network": TwoBlocks(), "clip_shape": TwoBlocks.clip, "grid": 7, "group_size": 8,
        },
    },
    "dance_lib.rivals": {
        "train_rival": lambda: taught(method="branches", plans=plan()),
    },
    "dance_lib.study": {
        "Run": lambda: {"notebook": "01_dense", "results": "x"},
        "find": lambda: {"results": "x", "notebook": "01_dense", "template": "a.csv"},
        "paper_file": lambda: {"name": "claims.yaml"},
        "parameter": lambda: {"results": "x", "notebook": "01_dense", "name": "seed"},
        "parameter_by": lambda: {
            "results": "x", "notebook": "01_dense", "name": "frames", "key": "seed",
        },
        "parameters": lambda: {"scope": {}, "notebook": "01_dense"},
        "read": lambda: {"results": "x", "notebook": "01_dense", "table": "clips"},
        "runs": lambda: {"results": "x"},
        "titles": lambda: {"name": "arm"},
    },
    "dance_lib.train": {
        "Recipe": lambda: Recipe().model_dump(),
        "Recipe.for_clips": lambda: {"clips": 9},
        "Recipe.of": lambda: {"parameters": {}},
        "choose_plans": lambda: {"net": net(), "clips": clips(), "batch_size": 2},
        "forget": lambda: {"resume": "x.pt"},
        "predict": lambda: {
            "net": net(), "clips": clips(), "plan": "dense", "batch_size": 2, "title": None,
        },
        "prune": lambda: {
            "net": net(), "train": clips(), "test": clips(), "recipe": Recipe(), "variant": "cv",
            "seed": 0, "resume": None,
        },
        "train_ava": lambda: taught(variant="cv", epochs=1),
        "train_controller": lambda: taught(epochs=1),
        "train_dense": trained,
        "train_gates": lambda: taught(frozen=False),
        "train_joint": taught,
        "train_planned": lambda: taught(plans=lambda stem_output: plan(), epochs=1),
    },
}  # fmt: skip
FUNCTIONS = [(home, name) for home, names in CALLS.items() for name in names]


def function(home, name):
    return attrgetter(name)(importlib.import_module(home))


def test_no_public_name_is_left_out():
    homes = ["dance_lib", *(f"dance_lib.{package}" for package in PACKAGES)]
    listed = {name for names in CALLS.values() for name in names} | CONSTANTS | MADE_BY_US
    for home in homes:
        module = importlib.import_module(home)
        made = {n: getattr(module, n) for n in set(module.__all__) - MADE_BY_US}
        others = {f"{n}.{way}" for n, value in made.items() for way in _ways_to_make(value)}
        assert others <= listed, home
        errors = {n for n in module.__all__ if _is_error(getattr(module, n))}
        assert set(module.__all__) - errors <= listed, home
        assert {name.partition(".")[0] for name in CALLS[home]} <= set(module.__all__)


def _ways_to_make(value):
    """Public class methods of one of our classes."""
    ours = isinstance(value, type) and value.__module__.startswith("dance_lib")
    members = vars(value).items() if ours else ()
    return [n for n, m in members if isinstance(m, classmethod) and not n.startswith("_")]


def _is_error(value):
    return isinstance(value, type) and issubclass(value, Exception)


@pytest.mark.parametrize(("home", "name"), FUNCTIONS, ids=lambda part: part)
def test_each_argument_is_refused_by_name(home, name):
    public, arguments = function(home, name), CALLS[home][name]()
    takes = inspect.signature(public).parameters.values()
    named = {p.name for p in takes if p.kind is not inspect.Parameter.VAR_KEYWORD}
    assert named <= arguments.keys(), "an argument is left out"
    for argument in arguments:
        with pytest.raises(DanceError, match=rf"\b{argument}\b") as refused:
            public(**arguments | {argument: Useless()})
        assert len(str(refused.value).splitlines()) == 1


SENSELESS = [
    ("dance_lib", "Dance", "clip_shape", (3, 4, 8)),
    ("dance_lib", "Dance", "clip_shape", (3, 0, 8, 8)),
    ("dance_lib", "Dance", "grid", 0),
    ("dance_lib", "Dance", "axes", ["time"]),
    ("dance_lib", "Dance", "std", 0.0),
    ("dance_lib", "Dance", "mean", [0.1, 0.2]),
    ("dance_lib", "PruningPlan", "frames", {}),
    ("dance_lib", "PruningPlan", "channels", {"block1.conv1": torch.ones(2, 8)}),
    ("dance_lib", "PruningPlan.cat", "plans", []),
    ("dance_lib", "PruningPlan.full", "batch", 0),
    ("dance_lib", "PruningPlan.random", "frames", 0.0),
    ("dance_lib", "PruningPlan.random", "channels", float("nan")),
    ("dance_lib", "PruningPlan.random", "seed", -1),
    ("dance_lib", "create_model", "name", "vgg"),
    ("dance_lib", "create_model", "num_classes", 0),
    ("dance_lib", "create_model", "weights", "nowhere.pt"),
    ("dance_lib", "load", "path", "nowhere.safetensors"),
    ("dance_lib", "save", "path", "no/such/folder/net.safetensors"),
    ("dance_lib", "sparse", "backend", "tpu"),
    ("dance_lib", "sparse", "dtype", torch.int8),
    ("dance_lib.aap", "Budget", "target", 0.0),
    ("dance_lib.aap", "Budget", "target", float("nan")),
    ("dance_lib.aap", "Budget", "anneal", 2.0),
    ("dance_lib.aap", "Controller", "axes", ["time"]),
    ("dance_lib.aap", "Controller", "hidden", 0),
    ("dance_lib.aap", "stem_statistics", "maps", torch.zeros(2, 3, 4, 4)),
    ("dance_lib.aap", "stem_statistics", "maps", torch.zeros(1, 2, 3, 4, 4, dtype=torch.int64)),
    ("dance_lib.aap", "stem_statistics", "grid", 0),
    ("dance_lib.data", "ClipSampling", "clips_per_video", 0),
    ("dance_lib.data", "ClipSampling", "clip_seconds", float("inf")),
    ("dance_lib.data", "ClipSet", "table", pd.DataFrame({"target": [0]})),
    ("dance_lib.data", "ClipSet", "table", pd.DataFrame({"label": ["a"] * ROWS})),
    ("dance_lib.data", "ClipSet", "frames", np.zeros((ROWS, 4, 8, 8, 3))),
    ("dance_lib.data", "ClipSet", "frames", np.zeros((ROWS, 8, 8, 3), np.uint8)),
    ("dance_lib.data", "ClipSet", "stored", np.arange(ROWS) + 1),
    ("dance_lib.data", "ClipSet", "order", np.zeros((ROWS, 3), int)),
    ("dance_lib.data", "ClipSet", "classes", ("a",)),
    ("dance_lib.data", "DigitsSettings", "frames", 4),
    ("dance_lib.data", "augmentation", "shift", 1.0),
    ("dance_lib.data", "augmentation", "brightness", float("nan")),
    ("dance_lib.data", "batches", "batch_size", 0),
    ("dance_lib.data", "batches", "process", (2, 2)),
    ("dance_lib.data", "decode_clips", "clip_shape", (3, 4, 8, 8)),
    ("dance_lib.data", "decode_clips", "workers", -1),
    ("dance_lib.data", "load_index", "data_root", "nowhere"),
    ("dance_lib.data", "load_index", "seed", -1),
    ("dance_lib.data", "load_index", "val_fraction", 1.0),
    ("dance_lib.data", "open_clips", "clip_shape", (8, 8)),
    ("dance_lib.data", "open_clips", "limit", 0),
    ("dance_lib.data", "read_video", "clip_shape", (4, 8, 0)),
    ("dance_lib.data", "single_frame", "seed", -1),
    ("dance_lib.meter", "unit_macs", "masks", {"frames": {}}),
    ("dance_lib.models", "find_structure", "clip_shape", (3, 8, 8)),
    ("dance_lib.models", "find_structure", "group_size", 0),
    ("dance_lib.rivals", "train_rival", "method", "magic"),
    ("dance_lib.rivals", "train_rival", "teacher", torch.zeros(ROWS - 1, CLASSES)),
    ("dance_lib.study", "titles", "name", "leg"),
    ("dance_lib.train", "Recipe", "batch_size", 0),
    ("dance_lib.train", "Recipe.for_clips", "clips", 0),
    ("dance_lib.train", "Recipe.of", "parameters", {1: "fast"}),
    ("dance_lib.train", "Recipe", "lr", float("nan")),
    ("dance_lib.train", "Recipe", "lr", float("inf")),
    ("dance_lib.train", "Recipe", "budget", 0.0),
    ("dance_lib.train", "choose_plans", "batch_size", 0),
    ("dance_lib.train", "predict", "plan", "best"),
    ("dance_lib.train", "predict", "batch_size", 0),
    ("dance_lib.train", "train_ava", "variant", "loud"),
    ("dance_lib.train", "train_ava", "teacher", torch.zeros(ROWS - 1, CLASSES)),
    ("dance_lib.train", "train_ava", "epochs", -1),
    ("dance_lib.train", "train_controller", "teacher", torch.zeros(ROWS)),
    ("dance_lib.train", "train_dense", "seed", -1),
    ("dance_lib.train", "train_joint", "teacher", torch.zeros(ROWS, 1)),
    ("dance_lib.train", "train_planned", "plans", plan()),
]  # fmt: skip
WORDS = {  # where the message has a better one for it
    "data_root": "folder", "method": "rival", "name": "model|name", "path": "checkpoint|folder",
    "target": "budget",
}  # fmt: skip


@pytest.mark.parametrize(
    ("home", "name", "argument", "value"),
    SENSELESS,
    ids=[f"{name}-{argument}-{n}" for n, (_, name, argument, _) in enumerate(SENSELESS)],
)
def test_what_has_its_type_and_makes_no_sense_is_refused(home, name, argument, value):
    with pytest.raises(DanceError, match=WORDS.get(argument, argument)) as refused:
        list(function(home, name)(**CALLS[home][name]() | {argument: value}))
    assert len(str(refused.value).splitlines()) == 1


def test_clips_that_do_not_fit_the_network_are_named_before_training():
    smaller = dance.Dance(TwoBlocks(), (3, 4, 6, 8))
    with pytest.raises(DanceError, match=r"clips are .* the network was made for"):
        train_dense(smaller, clips(), Recipe(), seed=0)
    named = replace(clips(), classes=tuple("abcdef"))
    with pytest.raises(DanceError, match=f"6 classes, the network tells {CLASSES}"):
        train_dense(net(), named, Recipe(), seed=0)


@pytest.mark.parametrize("name", ["forward", "dense", "plan", "stem", "decide", "statistics"])
def test_methods_of_a_network_refuse_what_is_no_clip(name):
    for wrong in (Useless(), None, [], torch.zeros(3), torch.zeros(2, *TwoBlocks.clip).long()):
        with pytest.raises(DanceError, match=r"clips must be|maps must be"):
            getattr(net(), name)(wrong)
