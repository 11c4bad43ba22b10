"""A network as the ONNX file that ONNX Runtime and OpenVINO read."""

import copy
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from dance_lib.deploy.pools import cell_weights

OPSET = 17


def to_onnx(network: nn.Module, clip: Tensor) -> bytes:
    """The network for clips of this very shape: input `clip`, output `logits`."""
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        file = Path(folder) / "network.onnx"
        # The newer exporter needs another package and silently leaves the opset asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            exportable(network),
            (clip,),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=["clip"],
            output_names=["logits"],
        )
        return file.read_bytes()


def exportable(network: nn.Module) -> nn.Module:
    """A copy without adaptive pools to more than one position, which ONNX does not have."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool3d):
                size = _triple(child.output_size)
                if size != (1, 1, 1):
                    setattr(module, name, PoolByProducts(size))
    return network


class PoolByProducts(nn.Module):
    """Adaptive average pooling, (N, C, T, H, W) -> (N, C, *size), by a matrix product an axis."""

    def __init__(self, size: tuple[int | None, ...]) -> None:
        super().__init__()
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        """Pool T, H and W in turn."""
        for axis, cells in zip((2, 3, 4), self.size, strict=True):
            if cells is not None:
                weights = torch.from_numpy(cell_weights(int(maps.shape[axis]), cells))
                maps = (maps.transpose(axis, 4) @ weights).transpose(axis, 4)
        return maps


def _triple(size: Any) -> tuple[int | None, ...]:
    return size if isinstance(size, tuple) else (size, size, size)
