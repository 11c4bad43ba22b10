"""The controller as an ONNX graph: the stem's output -> what is kept, or the number of a code."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dance_lib.deploy.codebook import Codebook
from dance_lib.deploy.graph import OPSET
from dance_lib.deploy.pools import cell_weights
from dance_lib.network import Dance


class Decider(nn.Module):
    """Stem's output (1, C, T, H, W) -> the masks of all units, each once: floats 0 or 1.

    Attributes:
        places: by unit, where its masks of frames, channels and features stand in what it gives.
        count: how many masks that are.
    """

    def __init__(self, net: Dance) -> None:
        super().__init__()
        self.net = net
        with torch.no_grad():
            masks = net.decide(torch.zeros(1, *net.structure.stem_shape))
        self.places: dict[str, tuple[int, int, int]] = {}
        first: dict[int, int] = {}
        for unit in masks.units:
            entries = (masks.frames[unit], masks.channels[unit], masks.features[unit])
            for entry in entries:
                first.setdefault(id(entry), len(first))
            self.places[unit] = tuple(first[id(e)] for e in entries)  # type: ignore[assignment]
        self.count = len(first)

    def forward(self, stem_output: Tensor) -> tuple[Tensor, ...]:
        """Every mask once: (T_u,), (C_u,) or (H_u, W_u)."""
        masks = self.net.decide(stem_output)
        found: dict[int, Tensor] = {}
        for unit, places in self.places.items():
            entries = (masks.frames[unit], masks.channels[unit], masks.features[unit])
            found |= {place: e[0] for place, e in zip(places, entries, strict=True)}
        return tuple(found[place] for place in range(self.count))


class Chooser(nn.Module):
    """Stem's output (1, C, T, H, W) -> the number of the code nearest to the plan, int64 (1,)."""

    def __init__(self, net: Dance, codebook: Codebook) -> None:
        super().__init__()
        self.net, self.codebook = net, codebook

    def forward(self, stem_output: Tensor) -> Tensor:
        """As `Codebook.nearest`."""
        return self.codebook.nearest(self.net.decide(stem_output))


def as_onnx(module: nn.Module, example: Tensor, outputs: Sequence[str]) -> onnx.ModelProto:
    """A module that reads the stem's output, by PyTorch's own exporter."""
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        file = Path(folder) / "planner.onnx"
        # The newer exporter silently leaves the opset asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", message="Constant folding")  # runtimes fold the rest
        with _PoolsByProducts():
            torch.onnx.export(
                module.eval(),
                (example,),
                file,
                dynamo=False,
                opset_version=OPSET,
                input_names=["stem_output"],
                output_names=list(outputs),
            )
        return onnx.load(file)


class _PoolsByProducts(TorchFunctionMode):
    """Adaptive average pools as matrix products: the exporter knows them for even cells alone."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d):
            return _pooled(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _pooled(maps: Tensor, output_size: Any) -> Tensor:
    sizes = (output_size,) if isinstance(output_size, int) else tuple(output_size)
    for axis, cells in zip(range(-len(sizes), 0), sizes, strict=True):
        weights = torch.from_numpy(cell_weights(int(maps.shape[axis]), cells))
        maps = (maps.transpose(axis, -1) @ weights).transpose(axis, -1)
    return maps
