"""Checkpoints: weights and configuration in one safetensors file, which can't carry code."""

from pathlib import Path
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dance_lib.aap.plan import AXES, Axis
from dance_lib.arguments import Size, checked
from dance_lib.atomic import replacing
from dance_lib.errors import DanceError
from dance_lib.models.structure import Shape
from dance_lib.models.zoo import create_model
from dance_lib.network import STEM, Dance, not_finite

FORMAT = "1"


class CheckpointError(DanceError):
    """A file that is no checkpoint of ours or does not fit, or a network that can't be kept."""


class Config(BaseModel):
    """What it takes to build the network again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None  # None: a backbone of the user's own
    num_classes: Size | None = None
    clip_shape: Shape
    axes: tuple[Axis, ...] = AXES
    grid: Size = 7
    group_size: Size = 8
    reads: str = STEM
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _every_class_has_a_name(self) -> Self:
        if self.classes and self.num_classes not in (None, len(self.classes)):
            raise ValueError(f"{len(self.classes)} names for {self.num_classes} classes")
        return self


@checked
def save(net: Dance, path: str | Path, classes: tuple[str, ...] = ()) -> Path:
    """Write a network to a `.safetensors` file, atomically.

    Args:
        classes: names of the logits, kept beside the weights.

    Raises:
        CheckpointError: the folder is missing or can't be written; a weight is NaN or infinite;
            more or fewer names than classes. An earlier file stays as it was.
    """
    path = Path(path)
    recipe = getattr(net.backbone, "recipe", None)
    try:
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
    except ValidationError as error:
        raise CheckpointError(f"can't write {path}: {error.errors()[0]['msg']}") from error
    if spoilt := not_finite(net):
        raise CheckpointError(f"can't write {path}: {spoilt!r} holds NaN or infinite values")
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


@checked
def load(path: str | Path, backbone: nn.Module | None = None) -> Dance:
    """Build the network of a checkpoint, in evaluation mode.

    Args:
        backbone: needed where the checkpoint holds a network that `create_model` does not know.

    Raises:
        CheckpointError: no such file, no checkpoint of ours, or one that fits another model or
            holds NaN or infinite values; the message names the first such tensor.
    """
    path = Path(path)
    config, tensors = _read(path)
    if backbone is None:
        if config.model is None or config.num_classes is None:
            raise CheckpointError(
                f"{path} holds a backbone of its author's own: load(path, backbone=...)"
            )
        _check_classes(path, config.num_classes, tensors)
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
    wrong = [n for n in own if n not in tensors or not _fits(tensors[n], own[n])]
    wrong += [n for n in tensors if n not in own]
    if wrong:
        model = type(backbone).__name__
        raise CheckpointError(
            f"{path} fits another model than this {model}: {len(wrong)} tensors differ, "
            f"{wrong[0]!r} the first"
        )
    net.load_state_dict(tensors)
    if spoilt := not_finite(net):
        raise CheckpointError(
            f"{path}: {spoilt!r} holds NaN or infinite values; go back to an earlier checkpoint"
        )
    return net.eval()


@checked
def read_config(path: str | Path) -> Config:
    """The configuration of a checkpoint, without its weights.

    Raises:
        CheckpointError: as `load`.
    """
    return _read(Path(path), weights=False)[0]


def _fits(tensor: Tensor, own: Tensor) -> bool:
    return tensor.shape == own.shape and tensor.is_floating_point() == own.is_floating_point()


def _check_classes(path: Path, classes: int, tensors: dict[str, Tensor]) -> None:
    """A classifier's weights have a row a class: no memory is taken for one that is not there."""
    if classes not in {len(t) for t in tensors.values() if t.dim() > 1 and t.numel()}:
        raise CheckpointError(f"{path} says {classes} classes, which fits none of its tensors")


def _read(path: Path, weights: bool = True) -> tuple[Config, dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("dance") != FORMAT:
                raise CheckpointError(f"{path} is no checkpoint of this library (format {FORMAT})")
            config = Config.model_validate_json(metadata.get("config", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()} if weights else {}  # noqa: SIM118
    except (OSError, SafetensorError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path} is no readable checkpoint: {first}") from error
    return config, tensors
