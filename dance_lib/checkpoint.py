"""Checkpoints: weights and configuration in one safetensors file, which can't carry code."""

import json
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dance_lib.aap.plan import AXES, Axis
from dance_lib.atomic import replacing
from dance_lib.errors import DanceError
from dance_lib.models.zoo import create_model
from dance_lib.network import STEM, Dance

FORMAT = "1"
Size = Annotated[int, Field(ge=1)]


class CheckpointError(DanceError):
    """A file that is no checkpoint of ours, or does not fit the backbone it is loaded into."""


class Config(BaseModel):
    """What it takes to build the network again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None  # None: a backbone of the user's own
    num_classes: Size | None = None
    clip_shape: tuple[Size, Size, Size, Size]
    axes: tuple[Axis, ...] = AXES
    grid: Size = 7
    group_size: Size = 8
    reads: str = STEM
    classes: tuple[str, ...] = ()


def save(net: Dance, path: str | Path, classes: tuple[str, ...] = ()) -> Path:
    """Write a network to a `.safetensors` file, atomically.

    Args:
        classes: names of the logits, kept beside the weights.

    Raises:
        CheckpointError: the folder is missing or can't be written.
    """
    path = Path(path)
    recipe = getattr(net.backbone, "recipe", None)
    config = Config(
        model=recipe and recipe.name,
        num_classes=recipe and recipe.num_classes,
        clip_shape=net.clip_shape,
        axes=net.controller.axes,
        grid=net.grid,
        group_size=net.structure.group_size,
        reads=net.reads,
        classes=classes,
    )
    tensors = {  # clones: a file can't hold two tensors that share their memory
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in net.state_dict().items()
    }
    if not path.parent.is_dir():
        raise CheckpointError(f"can't write {path}: there is no folder {path.parent}")
    try:
        with replacing(path) as partial:
            save_file(tensors, partial, {"dance": FORMAT, "config": config.model_dump_json()})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"can't write {path}: {error}") from error
    return path


def load(path: str | Path, backbone: nn.Module | None = None) -> Dance:
    """Build the network of a checkpoint, in evaluation mode.

    Args:
        backbone: needed where the checkpoint holds a network that `create_model` does not know.

    Raises:
        CheckpointError: no such file, no checkpoint of ours, or one that fits another model; the
            message names the first tensor that does not fit.
    """
    path = Path(path)
    config, tensors = _read(path)
    if backbone is None:
        if config.model is None or config.num_classes is None:
            raise CheckpointError(
                f"{path} holds a backbone of its author's own: load(path, backbone=...)"
            )
        backbone = create_model(config.model, config.num_classes, config.clip_shape)
    net = Dance(
        backbone,
        config.clip_shape,
        axes=config.axes,
        grid=config.grid,
        group_size=config.group_size,
        reads=config.reads,
    )
    own = net.state_dict()
    wrong = [n for n in own if n not in tensors or tensors[n].shape != own[n].shape]
    wrong += [n for n in tensors if n not in own]
    if wrong:
        model = type(backbone).__name__
        raise CheckpointError(
            f"{path} fits another model than this {model}: {len(wrong)} tensors differ, "
            f"{wrong[0]!r} the first"
        )
    net.load_state_dict(tensors)
    return net.eval()


def read_config(path: str | Path) -> Config:
    """The configuration of a checkpoint, without its weights.

    Raises:
        CheckpointError: as `load`.
    """
    return _read(Path(path), weights=False)[0]


def _read(path: Path, weights: bool = True) -> tuple[Config, dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("dance") != FORMAT:
                raise CheckpointError(f"{path} is no checkpoint of this library (format {FORMAT})")
            config = Config.model_validate(json.loads(metadata.get("config", "null")))
            tensors = {name: file.get_tensor(name) for name in file.keys()} if weights else {}  # noqa: SIM118
    except (OSError, SafetensorError, ValidationError, json.JSONDecodeError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path} is no readable checkpoint: {first}") from error
    return config, tensors
