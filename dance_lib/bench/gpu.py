"""What a bench on a GPU needs beside one on a processor: waiting, a roofline, its origin."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pandas as pd
import torch

import dance_lib as dance
from dance_lib.aap.plan import PruningPlan
from dance_lib.bench.candidates import Candidate
from dance_lib.bench.plans import TimedPlan
from dance_lib.bench.provenance import version_of
from dance_lib.bench.setting import BenchError, Precision
from dance_lib.devices.published import Device
from dance_lib.devices.roofline import Precision as Modelled
from dance_lib.devices.roofline import clip_times
from dance_lib.models.structure import OTHER
from dance_lib.network import Dance

FLOAT32 = 4  # bytes of a value, as `count` has it

HOPPER = "NVIDIA, H100 Tensor Core GPU Architecture white paper, table of H100 SXM5"
H200_SHEET = "NVIDIA, H200 Tensor Core GPU data sheet, H200 SXM"


def _hopper(name: str, title: str, bandwidth_gb: float, sheet: str) -> Device:
    """The two have the same processor; half precision is that of tensor cores, without sparsity."""
    return Device(
        name=name,
        title=title,
        processor="tensor cores for half precision, CUDA cores for float32",
        float32_gmacs=66.9e3 / 2,
        float16_gmacs=989.4e3 / 2,
        bandwidth_gb=bandwidth_gb,
        power_w=700.0,
        sources={
            "float32_gmacs": f"66.9 TFLOPS of FP32, one multiply-add is two ({HOPPER})",
            "float16_gmacs": f"989.4 TFLOPS of dense FP16 with FP32 accumulation ({HOPPER})",
            "bandwidth_gb": sheet,
            "power_w": f"maximum thermal design power, a limit and not a reading ({sheet})",
        },
    )


# By what `torch.cuda.get_device_name` says.
GPUS = {
    "NVIDIA H100 80GB HBM3": _hopper("h100-sxm", "H100 SXM", 3352, HOPPER),
    "NVIDIA H200": _hopper("h200-sxm", "H200 SXM", 4800, H200_SHEET),
}


def check() -> None:
    """Refuse a machine without a GPU.

    Raises:
        BenchError: says so, and what to give instead.
    """
    if not torch.cuda.is_available():
        raise BenchError("--device cuda: PyTorch finds no CUDA device here; give --device cpu")


def prepare() -> torch.device:
    """The GPU; every rival has its best convolutions, and float32 is float32.

    Raises:
        BenchError: there is no GPU.
    """
    check()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


def nvml_name() -> str:
    """What NVML calls the GPU that PyTorch uses: it counts them in another order."""
    return f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"


def origin() -> dict[str, Any]:
    """Versions that decide times on a GPU, as columns of a table."""
    return {"cuda": torch.version.cuda, "triton": version_of("triton")}


def on_the_clock(
    candidates: Iterable[Candidate], wait: Callable[[], object] | None = None
) -> list[Candidate]:
    """The same, whose runs end when the device has: a launch alone returns at once.

    Args:
        wait: until the device has done all; by default `torch.cuda.synchronize`.
    """
    until_done = wait or torch.cuda.synchronize

    def waiting(run: Callable[[], object]) -> Callable[[], object]:
        def run_and_wait() -> object:
            result = run()
            until_done()
            return result

        return run_and_wait

    return [
        replace(
            c,
            run=None if c.run is None else waiting(c.run),
            prepare=None if c.prepare is None else waiting(c.prepare),
        )
        for c in candidates
    ]


def with_bounds(
    candidates: Iterable[Candidate],
    net: Dance,
    plans: Iterable[TimedPlan],
    precision: Precision,
    batch: int,
    gpu: Device | None = None,
) -> list[Candidate]:
    """The same; dense engines and plans also with `roofline_ms` a clip, what the chip allows.

    Each unit takes the longer of its arithmetic and its traffic, weights read once a batch. That is
    modelled: all traffic is of the chip's memory, and what stays in a cache can be quicker. Of a
    larger batch it is a bound from below: the weights of a plan are taken as shared as if all.

    Args:
        batch: clips of a run.
        gpu: its published figures; by default of the device at hand, if they are known.
    """
    gpu = gpu or GPUS.get(torch.cuda.get_device_name() if torch.cuda.is_available() else "")
    if gpu is None:
        return list(candidates)
    modelled: Modelled = "float32" if precision == "float32" else "float16"
    structure = net.structure
    weights = {name: unit.weights for name, unit in structure.units.items()}
    weights[OTHER] = sum(layer.weights for layer in structure.others)

    def times(plan: PruningPlan) -> pd.Series:
        costs = dance.count(net, plan)
        shared = FLOAT32 * costs["unit"].map(weights) * (1 - 1 / batch)
        for moved in ("dense_bytes", "ideal_bytes"):
            costs[moved] = (costs[moved] - shared).clip(lower=0)
        table = clip_times(costs, gpu, precision=modelled)
        return table[["dense_ms", "ideal_ms"]].mean()

    bounds = {timed.name: times(timed.plan)["ideal_ms"] for timed in plans}
    dense = times(PruningPlan.full(net))["dense_ms"]

    def bounded(candidate: Candidate) -> Candidate:
        bound = dense if candidate.group == "dense" else bounds.get(candidate.name)
        known = {} if bound is None else {"roofline_ms": bound, "roofline_of": gpu.title}
        return replace(candidate, facts={**candidate.facts, **known})

    return [bounded(candidate) for candidate in candidates]
