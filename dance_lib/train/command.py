"""`dance train`: from a folder of videos to a pruned network."""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dance_lib.aap.plan import AXES, Axis
from dance_lib.ava import Variant
from dance_lib.checkpoint import CheckpointError, load, read_config, save
from dance_lib.data import ClipSet, DataError, DigitsSettings, open_clips
from dance_lib.errors import DanceError
from dance_lib.explain.layers import layer_table, told
from dance_lib.models.zoo import create_model
from dance_lib.network import Dance, remade
from dance_lib.study.schema import parse_yaml, unknown
from dance_lib.study.values import parse_overrides
from dance_lib.train import report
from dance_lib.train.loop import forget
from dance_lib.train.processes import here
from dance_lib.train.pruning import check, prune
from dance_lib.train.recipe import Recipe

MODEL, FRAMES, SIZE = "r2plus1d_narrow", 16, 56  # trained in minutes on two cores
BUILT_IN = {"train": 3000, "test": 900, "val": 0}
TABLES = {"labels.csv": "csv", "manifest.csv": "digits"}  # by what lies in the folder

Say = Callable[[str], object]


@dataclass(frozen=True)
class Asked:
    """What the command line says; None where it leaves the choice.

    Attributes:
        videos: their folder; None for the built-in set.
        recipe: NAME=VALUE, fields of `Recipe`.
        start: checkpoint of a trained network to go on from.
        weights: of the backbone, as for `create_model`.
    """

    videos: Path | None = None
    dataset: str | None = None
    fold: int | None = None
    test_fraction: float = 0.2
    model: str | None = None
    weights: str | None = None
    start: Path | None = None
    frames: int | None = None
    size: int | None = None
    axes: Sequence[Axis] = AXES
    variant: Variant = "cv"
    budget: float | None = None
    recipe: Sequence[str] = ()
    seed: int = 0
    out: Path = Path("net.safetensors")
    cache: Path = Path("data")
    force: bool = False


def train(asked: Asked, say: Say) -> Path:
    """Open the clips, train, prune, save, and say what came of it.

    Where several processes train together, one of them writes and speaks.

    What is needed to go on after a kill lies beside the checkpoint until that is written.

    Raises:
        DanceError: what is wrong with the places, the options or the clips; found
            before anything is trained.
    """
    processes = here()
    if not processes.is_main:
        say = _nothing
    _check_places(asked)
    fields = _recipe_fields(asked)
    clips, held_out = _open_sets(asked, _clip_shape(asked))
    net = _network(asked, clips)
    recipe = Recipe.for_clips(len(clips), **fields)
    check(net, clips, recipe, asked.variant)
    for line in (
        *report.clips(clips, held_out),
        *told(layer_table(net)),
        report.stages(recipe, asked.variant),
    ):
        say(line)
    progress = asked.out.with_name(f"{asked.out.name}.progress")
    if any(progress.parent.glob(f"{glob.escape(progress.name)}.*")):
        say(f"{progress}.* is there: goes on from it, unless something was changed")
    try:
        done = prune(
            net, clips, held_out, recipe, variant=asked.variant, seed=asked.seed, resume=progress
        )
    except KeyboardInterrupt:
        say("stopped; the same command goes on behind the last whole epoch")
        raise
    if processes.is_main:
        save(net, asked.out, clips.classes)
        forget(progress)
    for line in (
        *report.results(net, clips, held_out, done, recipe),
        *report.next_commands(asked.out, _dataset(asked), asked.videos, asked.fold),
    ):
        say(line)
    processes.end()
    return asked.out


def _nothing(line: str) -> None:
    """Say nothing."""


def _check_places(asked: Asked) -> None:
    """Now, and not after hours of training."""
    if asked.videos is None and _dataset(asked) != "digits":
        raise DataError(
            f"--dataset {asked.dataset} needs the folder of its videos: dance train DIR"
        )
    if not asked.out.parent.is_dir():
        raise CheckpointError(f"no folder {asked.out.parent} for {asked.out.name}: make it first")
    if asked.out.is_dir():
        raise CheckpointError(f"{asked.out} is a folder: --out names a file")
    if asked.out.exists() and not asked.force:
        raise CheckpointError(f"{asked.out} exists: choose another --out, or --force to replace it")


def _recipe_fields(asked: Asked) -> dict[str, Any]:
    """What the command line says of the recipe. Real video is augmented, the built-in set drawn."""
    fields: dict[str, Any] = {"augment": _dataset(asked) != "digits"}
    if asked.start is not None:
        fields["dense_epochs"] = 0
    for name, text in parse_overrides(asked.recipe).items():
        if name not in Recipe.model_fields:
            raise unknown("field of the recipe", name, Recipe.model_fields)
        several = "," in text and not text.startswith("[")
        fields[name] = parse_yaml(f"[{text}]" if several else text, f"-p {name}={text}")
    if asked.budget is not None:
        if "budget" in fields:
            raise DanceError("--budget and -p budget: give one of them")
        fields["budget"] = asked.budget
    Recipe.of(fields)  # a value out of its range is told before clips are decoded
    return fields


def _dataset(asked: Asked) -> str:
    if asked.dataset is not None or asked.videos is None:
        return asked.dataset or "digits"
    return next((d for name, d in TABLES.items() if (asked.videos / name).is_file()), "folder")


def _clip_shape(asked: Asked) -> tuple[int, int, int]:
    """(T, H, W) of the clips; a checkpoint's own."""
    if asked.start is None:
        size = asked.size or SIZE
        return asked.frames or FRAMES, size, size
    _, T, H, W = read_config(asked.start).clip_shape
    if asked.frames not in (None, T) or asked.size not in (None, H):
        raise DanceError(
            f"{asked.start} is for clips of {T} × {H} × {W}: leave out --frames, --size"
        )
    return T, H, W


def _open_sets(asked: Asked, shape: tuple[int, int, int]) -> tuple[ClipSet, ClipSet]:
    """Training and held-out clips, one of each video."""
    digits = None
    if asked.videos is None:
        digits = DigitsSettings.of_clips(shape[0], shape[1], **BUILT_IN)
    train, test = (
        open_clips(
            _dataset(asked),
            asked.videos,
            split=split,
            clip_shape=shape,
            fold=asked.fold,
            test_fraction=asked.test_fraction,
            cache_root=asked.cache,
            digits=digits,
        )
        for split in ("train", "test")
    )
    empty = sorted(set(train.classes) - set(train.table["label"]))
    if empty:
        raise DataError(f"no training clip of class {empty[0]} decodes; repair its videos")
    return train, test


def _network(asked: Asked, clips: ClipSet) -> Dance:
    """A new network for these clips, or the checkpoint's under a new controller."""
    torch.manual_seed(asked.seed)
    if asked.start is None:
        model = asked.model or MODEL
        backbone = create_model(model, len(clips.classes), clips.clip_shape, asked.weights)
        return Dance(backbone, clips.clip_shape, axes=asked.axes)
    if asked.model or asked.weights:
        raise DanceError("--from names a whole network: leave out --model and --weights")
    known = read_config(asked.start).classes
    if known != clips.classes:
        raise DanceError(
            f"{asked.start} tells {_few(known)} apart, these clips are of {_few(clips.classes)}"
        )
    return remade(load(asked.start), axes=asked.axes)


def _few(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:3]) or "no names"
    return f"{len(classes)} classes ({shown}{', ...' * (len(classes) > 3)})"
