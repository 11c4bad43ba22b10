"""ONNX Runtime and OpenVINO as dense rivals; both read the same ONNX file.

OpenVINO could convert a module itself, but `convert_model` reports its use to its maker.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dance_lib.bench.dense import Run
from dance_lib.bench.export import OPSET, to_onnx
from dance_lib.bench.setting import Precision
from dance_lib.deploy.engines import onnx_session, openvino_request

OPENVINO_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def onnx_runtime(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """ONNX Runtime on the CPU, as `onnx_session` says."""
    session = onnx_session(to_onnx(network, clip), threads)

    def run(clip: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"clip": clip.numpy()})[0])

    return run, f"opset {OPSET}"


def openvino(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """OpenVINO on the CPU, as `openvino_request` says."""
    request = openvino_request(to_onnx(network, clip), threads, OPENVINO_PRECISIONS[precision])

    def run(clip: Tensor) -> Tensor:
        results: Any = request.infer({"clip": clip.numpy()})
        return torch.from_numpy(results[0].copy())  # the request overwrites its own memory

    return run, f"{OPENVINO_PRECISIONS[precision]}, opset {OPSET}"
