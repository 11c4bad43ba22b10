"""Exported networks in the engines of this machine: one clip in, logits out."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]  # clip (1, C, T, H, W) float32 -> logits (1, classes)


def onnx_session(model: Path | bytes, threads: int) -> Any:
    """A network in ONNX Runtime on the CPU, all optimisations, threads that sleep between runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin after a run would take cores from the engine that is timed next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def openvino_request(model: Path | bytes, threads: int, precision: str = "f32") -> Any:
    """A network in OpenVINO on the CPU, one stream for the shortest latency.

    Args:
        precision: "f32" or "bf16", said outright: left out, it is bfloat16 where the CPU has it.
    """
    import openvino

    core = openvino.Core()
    source = io.BytesIO(model) if isinstance(model, bytes) else str(model)
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": "1",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # it would pin the thread that runs the other engines too
    }
    return core.compile_model(core.read_model(source), "CPU", options).create_infer_request()


def in_onnx_runtime(files: Sequence[Path], threads: int = 1) -> Run:
    """One network, or a codebook's stem and its codes, in ONNX Runtime."""
    return _chained([partial(onnx_session(file, threads).run, None) for file in files])


def in_openvino(files: Sequence[Path], threads: int = 1) -> Run:
    """The same in OpenVINO, float32."""

    def infer(request: Any) -> Callable[[dict[str, np.ndarray]], list[np.ndarray]]:
        return lambda feed: list(
            request.infer(feed, share_inputs=True, share_outputs=True).values()
        )

    return _chained([infer(openvino_request(file, threads)) for file in files])


def _chained(networks: list[Callable[[dict[str, np.ndarray]], list[np.ndarray]]]) -> Run:
    """A network alone; or a stem, which says which of the others goes on."""
    if len(networks) == 1:
        return lambda clip: np.array(networks[0]({"clip": clip})[0])

    def run(clip: np.ndarray) -> np.ndarray:
        stem_output, code = networks[0]({"clip": clip})
        return np.array(networks[1 + int(code[0])]({"stem_output": stem_output})[0])

    return run


@dataclass(frozen=True)
class Engine:
    """An engine.

    Attributes:
        package: whose absence means that it is not installed.
        load: files of one form -> what runs a clip.
        takes_dynamic: whether it runs networks that gather their weights.
    """

    package: str
    load: Callable[[Sequence[Path]], Run]
    takes_dynamic: bool


ENGINES = {
    "ONNX Runtime": Engine("onnxruntime", in_onnx_runtime, True),
    "OpenVINO": Engine("openvino", in_openvino, False),  # weights of convolutions are constants
}
