"""The backbones the study knows, by name: torchvision's, pytorchvideo's, and two of our own."""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import dance_lib.torchvision_schemas  # noqa: F401  (before torchvision: see there)
from dance_lib.arguments import Size, checked
from dance_lib.errors import DanceError
from dance_lib.models.c3d import C3D
from dance_lib.models.narrow import r2plus1d_medium, r2plus1d_narrow
from dance_lib.models.structure import Shape

Build = Callable[[int, str | None], nn.Module]


@dataclass(frozen=True)
class Recipe:
    """How a backbone was made; `create_model` leaves it on the network as `recipe`."""

    name: str
    num_classes: int


class ModelError(DanceError):
    """A backbone that is unknown, or weights that do not fit it."""


def list_models() -> list[str]:
    """Names that `create_model` takes."""
    return sorted(_BUILDERS)


@checked
def create_model(
    name: str,
    num_classes: Size,
    clip_shape: Shape,
    weights: str | Path | None = None,
) -> nn.Module:
    """Build a backbone that maps a clip (N, C, T, H, W) to logits (N, num_classes).

    Pooling is adaptive, so the network runs at any clip shape that its strides leave a map of;
    `clip_shape` (C, T, H, W) is tried once, to refuse a shape that does not fit.

    Args:
        weights: None for a random start; "hub" for the pretrained weights of the library that the
            backbone comes from (downloaded by it); or the path of a state dict. A classifier
            with another number of classes starts anew, everything else must fit.

    Raises:
        ModelError: the name is unknown, there is no class, the weights do not fit, or the clip
            shape is too small.
    """
    if name not in _BUILDERS:
        raise ModelError(f"unknown model {name!r}; known: {', '.join(list_models())}")
    hub = weights == "hub"
    network = _BUILDERS[name](num_classes, "hub" if hub else None)
    if weights is not None and not hub:
        load_weights(network, Path(weights))
    _try_shape(network, name, clip_shape)
    network.recipe = Recipe(name, num_classes)  # type: ignore[assignment]  # for checkpoints
    return network


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a state dict (`.safetensors`, or a torch file holding tensors alone) into a backbone.

    Raises:
        ModelError: the file is missing or unreadable, or a tensor other than the classifier's
            is missing, unexpected or of another shape.
    """
    if not path.is_file():
        raise ModelError(f"no weights at {path}; give a path, 'hub', or nothing")
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(f"{path} holds no readable weights: {error}") from error
    if not isinstance(state, dict):
        raise ModelError(f"{path} holds no state dict but a {type(state).__name__}")
    _fit(network, state.get("model_state", state), str(path))


def _fit(network: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    own = network.state_dict()
    head = _classifier_name(network)
    kept = {
        key: value
        for key, value in state.items()
        if not (key.startswith(head + ".") and key in own and own[key].shape != value.shape)
    }
    wrong = [k for k, v in kept.items() if k not in own or own[k].shape != v.shape]
    missing = [k for k in own if k not in kept and not k.startswith(head + ".")]
    if wrong or missing:
        first = (wrong + missing)[0]
        raise ModelError(
            f"{source} does not fit this network: {len(wrong)} tensors do not match and "
            f"{len(missing)} are missing, {first!r} the first"
        )
    network.load_state_dict(kept, strict=False)


def _classifier_name(network: nn.Module) -> str:
    """Path of the last linear layer or 1×1×1 convolution: the one that knows the classes."""
    last = ""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv3d):
            last = name
    return last


def _try_shape(network: nn.Module, name: str, clip_shape: Shape) -> None:
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):  # shapes, no arithmetic
            network(torch.zeros(1, *clip_shape))
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"{name} can't take clips of {tuple(clip_shape)}: {error}") from error
    finally:
        network.train(was_training)


def _torchvision(name: str) -> Build:
    def build(num_classes: int, weights: str | None) -> nn.Module:
        from torchvision.models import get_model

        network = get_model(name, weights="DEFAULT" if weights else None)
        if name == "s3d":
            # Its pool has a fixed 2×7×7 window, which smaller clips do not fill.
            network.avgpool = nn.AdaptiveAvgPool3d(1)
        return _with_classes(network, num_classes)

    return build


def _pytorchvideo(name: str) -> Build:
    def build(num_classes: int, weights: str | None) -> nn.Module:
        with warnings.catch_warnings():
            # fvcore scripts its losses on import, which newer torch calls deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            from pytorchvideo.models import hub

        make = getattr(hub, name)
        network = make(pretrained=weights is not None)
        head = network.blocks[-1]
        # Fixed windows and a softmax at the end: ours are adaptive, and logits.
        if "ProjectedPool" in type(head.pool).__name__:
            head.pool.pool = nn.AdaptiveAvgPool3d(1)
        else:
            head.pool = nn.AdaptiveAvgPool3d(1)
        head.activation = None
        for module in list(network.modules()):
            if isinstance(module, nn.Conv3d):  # NumPy's numbers, which torch.compile can't read
                module.stride = tuple(map(int, module.stride))
            for path, child in module.named_children():
                if type(child).__name__ == "Swish":  # its backward calls what torch has deprecated
                    setattr(module, path, nn.SiLU())
        return _with_classes(network, num_classes)

    return build


def _own(make: Callable[..., nn.Module]) -> Build:
    def build(num_classes: int, weights: str | None) -> nn.Module:
        if weights:
            name = make.__name__ if inspect.isfunction(make) else make.__name__.lower()
            raise ModelError(f"no hub has weights of {name}; give a path")
        return make(num_classes)

    return build


def _with_classes(network: nn.Module, num_classes: int) -> nn.Module:
    """Replace the classifier where it knows another number of classes."""
    path = _classifier_name(network)
    old = network.get_submodule(path)
    assert isinstance(old, nn.Linear | nn.Conv3d)
    if old.weight.shape[0] == num_classes:
        return network
    bias = old.bias is not None
    new: nn.Module
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, num_classes, bias)
    else:
        new = nn.Conv3d(old.in_channels, num_classes, 1, bias=bias)
    parent, _, child = path.rpartition(".")
    setattr(network.get_submodule(parent), child, new)
    return network


_BUILDERS: dict[str, Build] = {
    "c3d": _own(C3D),
    "r2plus1d_narrow": _own(r2plus1d_narrow),
    "r2plus1d_medium": _own(r2plus1d_medium),
    **{name: _torchvision(name) for name in ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")},
    **{
        name: _pytorchvideo(name)
        for name in (
            "c2d_r50", "slow_r50", "i3d_r50", "r2plus1d_r50", "csn_r101",
            "x3d_xs", "x3d_s", "x3d_m", "x3d_l",
        )
    },
}  # fmt: skip
