"""The dense rivals, as a user would really run them: names, and what each can do."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dance_lib.bench.candidates import Candidate, attempt
from dance_lib.bench.dense import Run
from dance_lib.bench.gpu_engines import captured, channels_last, compiled_for_gpu, plain
from dance_lib.bench.runtimes import onnx_runtime, openvino
from dance_lib.bench.setting import Device, Precision
from dance_lib.bench.torch_engines import compiled, eager

# (network in evaluation mode, clip, threads, precision) -> what runs it, and a word on how
Build = Callable[[nn.Module, Tensor, int, Precision], tuple[Run, str]]


@dataclass(frozen=True)
class Engine:
    """A way to run a network: how it is built, and at which precisions."""

    build: Build
    precisions: tuple[Precision, ...]


ON_GPUS: tuple[Precision, ...] = ("float32", "float16", "bfloat16")
ENGINES: dict[Device, dict[str, Engine]] = {
    "cpu": {
        "eager": Engine(eager, ("float32", "bfloat16")),
        "compile": Engine(compiled, ("float32", "bfloat16")),
        "onnxruntime": Engine(onnx_runtime, ("float32",)),  # has no bfloat16 convolutions on CPUs
        "openvino": Engine(openvino, ("float32", "bfloat16")),
    },
    "cuda": {
        "eager": Engine(plain, ON_GPUS),
        "channels_last": Engine(channels_last, ON_GPUS),
        "graph": Engine(captured, ON_GPUS),
        "compile": Engine(compiled_for_gpu, ON_GPUS),
    },
}


def in_engine(
    name: str,
    group: str,
    engine: str,
    network: nn.Module,
    clip: Tensor,
    threads: int,
    precision: Precision,
    ideal_mac_ratio: float = 1.0,
) -> Candidate:
    """A network in an engine, held against PyTorch eager in float32.

    Args:
        name, group: of its row. network: in evaluation mode, in float32.
        clip: (N, C, T, H, W); an engine may be built for this very shape. Where it lies says
            which device's engines are meant.
    """
    built = ENGINES["cuda" if clip.is_cuda else "cpu"][engine]
    if precision not in built.precisions:
        missing = {"reason": f"{engine} runs no convolutions in {precision} here"}
        return Candidate(name, group, None, {"engine": engine, **missing})
    with torch.no_grad():
        expected = network(clip)  # (N, classes)

    def build() -> tuple[Callable[[], Tensor], str]:
        run, detail = built.build(network, clip, threads, precision)
        return lambda: run(clip), detail

    return attempt(
        name, group, build, expected, precision, engine=engine, ideal_mac_ratio=ideal_mac_ratio
    )
