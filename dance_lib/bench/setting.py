"""What one process measures: a model at one precision on cores or a GPU, with one batch size."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from dance_lib.arguments import Size
from dance_lib.errors import DanceError

Precision = Literal["float32", "float16", "bfloat16"]
Cores = Literal["one", "all", "cuda"]
Device = Literal["cpu", "cuda"]
CLASSES = 101  # of a backbone without checkpoint: as many as UCF101 has
DEFAULT_SHAPE = (3, 16, 112, 112)
QUICK_ROUNDS = 3
LOOPS = 3  # rounds under a meter: each is half a minute of everyone
Shape = tuple[Size, Size, Size, Size]  # (C, T, H, W); that of `models` would load torch


class BenchError(DanceError):
    """A bench that can't be run as asked; the message names what to change."""


@dataclass(frozen=True)
class Defaults:
    """What is measured on a kind of device where nothing is said, and what can be.

    Attributes:
        rounds: more where a run is short.
        precisions: those measured by default; others that are known follow in `precisions_known`.
    """

    models: tuple[str, ...]
    precisions: tuple[Precision, ...]
    precisions_known: tuple[Precision, ...]
    threads: tuple[Cores, ...]
    batches: tuple[int, ...]
    rounds: int


DEFAULTS: dict[Device, Defaults] = {
    "cpu": Defaults(
        models=("r2plus1d_18", "r3d_18"),  # those with speeds to reach
        precisions=("float32", "bfloat16"),
        precisions_known=("float32", "bfloat16"),
        threads=("one", "all"),
        batches=(1, 8),
        rounds=15,
    ),
    "cuda": Defaults(
        models=("r2plus1d_18", "r3d_18", "c3d", "slow_r50"),
        precisions=("float16",),
        precisions_known=("float16", "bfloat16", "float32"),
        threads=("cuda",),
        batches=(1, 8, 32),
        rounds=100,
    ),
}


class Setting(BaseModel):
    """One setting. Two runs of equal settings by one commit measure the same thing.

    Attributes:
        clip_shape: (C, T, H, W).
        threads: "one" pins the process to a core, "all" gives it every core it may use, "cuda"
            also a GPU, on which the networks run.
        engines: dense rivals to try, by the names of `engines.ENGINES`.
        rounds: how often each callable is timed, or looped over under a meter.
        checkpoint: path of the network whose controller is measured.
        checkpoints: of further ones, the same model pruned to other budgets, whose controllers are
            measured beside it. checkpoint_hash: tells whether a file has changed.
        quick: fewer plans.
        static: whether statically smaller networks are made as rivals, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    clip_shape: tuple[Size, Size, Size, Size]
    precision: Precision
    threads: Cores
    batch: Size
    engines: tuple[str, ...]
    rounds: Size
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint: str | None = None
    checkpoints: tuple[str, ...] = ()
    checkpoint_hash: str = ""
    quick: bool = False
    static: bool = True

    @property
    def device(self) -> Device:
        """Where the networks run."""
        return "cuda" if self.threads == "cuda" else "cpu"

    @property
    def name(self) -> str:
        """The folder of its tables: `r2plus1d_18.16x112x112.float32.one.batch1`."""
        size = _written(self.clip_shape)
        return f"{self.model}.{size}.{self.precision}.{self.threads}.batch{self.batch}"

    def columns(self) -> dict[str, Any]:
        """What every row of its tables says."""
        return {
            "model": self.model,
            "clip_shape": "x".join(map(str, self.clip_shape)),
            "precision": self.precision,
            "threads": self.threads,
            "batch": self.batch,
        }


def parse_clip_shape(text: str) -> Shape:
    """`16x112x112` -> (3, 16, 112, 112).

    Raises:
        BenchError: it is no T x H x W of whole numbers.
    """
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", text):
        raise BenchError(f"--clip-shape {text}: write frames x height x width, as 16x112x112")
    T, H, W = map(int, text.split("x"))
    return 3, T, H, W


def choose_settings(
    *,
    device: str = "cpu",
    models: Sequence[str] | None = None,
    clip_shape: str | None = None,
    precisions: Sequence[str] | None = None,
    threads: Sequence[str] | None = None,
    batches: Sequence[int] | None = None,
    engines: Sequence[str] | None = None,
    rounds: int | None = None,
    seed: int = 0,
    checkpoints: Sequence[Path] = (),
    quick: bool = False,
    static: bool = True,
) -> list[Setting]:
    """Every combination of what was asked for, models first; what is left out has its default.

    Args:
        clip_shape: frames x height x width, `16x112x112`.
        checkpoints: go with the model they all hold, which must be among `models`. The first one's
            network is what rivals are made of.

    Raises:
        BenchError: an unknown device, model, precision, engine or number of cores, a clip shape
            that is none, a checkpoint of another network, or further ones of one name,
            which tells their rows apart.
        CheckpointError: a checkpoint that can't be read.
    """
    from dance_lib.bench.engines import ENGINES
    from dance_lib.models.zoo import list_models

    _known("device", [device], DEFAULTS, DEFAULTS)
    defaults, known_engines = DEFAULTS[cast(Device, device)], ENGINES[cast(Device, device)]
    shape = parse_clip_shape(clip_shape) if clip_shape else None
    digest, first = hashlib.sha256(), None
    for checkpoint in checkpoints:
        network = _network_in(checkpoint, models, shape)
        first = first or network
        if network != first:
            raise BenchError(
                f"{checkpoint} holds a {network}, {checkpoints[0]} a {first}: give checkpoints of "
                "one network at a time"
            )
        digest.update(checkpoint.read_bytes())
    names = [checkpoint.stem for checkpoint in checkpoints[1:]]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BenchError(f"two rows would be called controller {twice}: rename a checkpoint")
    held: dict[str, dict[str, Any]] = {}
    if first:
        models, shape = models or [first.model], first.clip_shape
        paths = [str(checkpoint.resolve()) for checkpoint in checkpoints]
        held[first.model] = {
            "checkpoint": paths[0],
            "checkpoints": tuple(paths[1:]),
            "checkpoint_hash": digest.hexdigest()[:12],
        }
    common = {
        "clip_shape": shape or DEFAULT_SHAPE,
        "engines": _known("engine", engines, known_engines, known_engines),
        "rounds": rounds or (QUICK_ROUNDS if quick else defaults.rounds),
        "seed": seed,
        "quick": quick,
        "static": static,
    }
    combinations = product(
        _known("model", models, list_models(), defaults.models),
        _known("precision", precisions, defaults.precisions_known, defaults.precisions),
        _known("threads", threads, defaults.threads, defaults.threads),
        dict.fromkeys(batches or defaults.batches),
    )
    return [
        Setting.model_validate(
            {"model": m, "precision": p, "threads": t, "batch": b, **common, **held.get(m, {})}
        )
        for m, p, t, b in combinations
    ]


def _known(
    what: str, given: Sequence[str] | None, known: Iterable[str], default: Iterable[str]
) -> tuple[str, ...]:
    """What was given, each once, or the default.

    Raises:
        BenchError: one of them is not known.
    """
    known = tuple(known)
    for name in given or ():
        if name not in known:
            raise BenchError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return tuple(dict.fromkeys(given or default))


@dataclass(frozen=True)
class _Network:
    """What a checkpoint holds, as far as times depend on it."""

    model: str
    classes: int | None
    clip_shape: Shape

    def __str__(self) -> str:
        return f"{self.model} of {self.classes} classes on {_written(self.clip_shape)}"


def _network_in(path: Path, models: Sequence[str] | None, shape: Shape | None) -> _Network:
    """The network of a checkpoint, which must not contradict what was asked for."""
    from dance_lib.checkpoint import read_config

    config = read_config(path)
    if config.model is None:
        raise BenchError(
            f"{path} holds a backbone of its author's own: bench can only build list_models()"
        )
    if models and config.model not in models:
        raise BenchError(f"{path} holds a {config.model}: add --model {config.model}")
    if shape not in (None, config.clip_shape):
        held = _written(config.clip_shape)
        raise BenchError(f"{path} takes clips of {held}: give --clip-shape {held}")
    return _Network(config.model, config.num_classes, config.clip_shape)


def _written(shape: Shape) -> str:
    """As `parse_clip_shape` reads it."""
    return "x".join(map(str, shape[1:]))
