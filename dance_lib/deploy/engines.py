"""Exported networks in the engines of this machine: one clip in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]  # clip (1, C, T, H, W) float32 -> logits (1, classes)


def in_onnx_runtime(files: Sequence[Path], threads: int = 1) -> Run:
    """One network, or a codebook's stem and its codes, in ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin after a run would take cores from the engine that is timed next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    sessions = [
        onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        for file in files
    ]
    return _chained([partial(session.run, None) for session in sessions])


def in_openvino(files: Sequence[Path], threads: int = 1) -> Run:
    """The same in OpenVINO on the CPU, float32, one stream for the shortest latency."""
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # left out, it is bfloat16 where the CPU has it
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": "1",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    requests = [
        core.compile_model(str(file), "CPU", options).create_infer_request() for file in files
    ]

    def infer(request: Any) -> Callable[[dict[str, np.ndarray]], list[np.ndarray]]:
        return lambda feed: list(
            request.infer(feed, share_inputs=True, share_outputs=True).values()
        )

    return _chained([infer(request) for request in requests])


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
