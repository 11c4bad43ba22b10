"""ONNX Runtime and OpenVINO as dense rivals; both read the same ONNX file.

OpenVINO could convert a module itself, but `convert_model` reports its use to its maker.
"""

import io
from typing import Any

import torch
from torch import Tensor, nn

from dance_lib.bench.dense import Run
from dance_lib.bench.export import OPSET, to_onnx
from dance_lib.bench.setting import Precision

OPENVINO_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def onnx_runtime(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """ONNX Runtime on the CPU, all graph optimisations, threads that sleep between runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin after a run would take cores from the engine that is timed next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        to_onnx(network, clip), options, providers=["CPUExecutionProvider"]
    )

    def run(clip: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"clip": clip.numpy()})[0])

    return run, f"opset {OPSET}"


def openvino(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """OpenVINO on the CPU, one stream for the shortest latency, the precision said outright."""
    import openvino as ov

    core = ov.Core()
    request = core.compile_model(
        core.read_model(io.BytesIO(to_onnx(network, clip))),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": OPENVINO_PRECISIONS[precision],  # left out, it is bfloat16
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": "1",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # it would pin the thread that runs the other engines too
        },
    ).create_infer_request()

    def run(clip: Tensor) -> Tensor:
        results: Any = request.infer({"clip": clip.numpy()})
        return torch.from_numpy(results[0].copy())  # the request overwrites its own memory

    return run, f"{OPENVINO_PRECISIONS[precision]}, opset {OPSET}"
