"""PyTorch as a dense rival on a GPU, in all the forms that a user would try."""

from typing import Any

import torch
from torch import Tensor, nn

from dance_lib.bench.dense import Run
from dance_lib.bench.setting import Precision
from dance_lib.bench.torch_engines import converted, eager_run, freezing, norms_folded
from dance_lib.executors.cuda.replay import Replay

LAST, FIRST = torch.channels_last_3d, torch.contiguous_format
# Those of the mode max-autotune, which can't be given beside others.
AT_ITS_BEST: dict[str, Any] = {
    "max_autotune": True,
    "coordinate_descent_tuning": True,
    "triton.cudagraphs": True,
}


def plain(network: nn.Module, clip: Tensor, threads: int, precision: Precision) -> tuple[Run, str]:
    """Eager, in PyTorch's own layout."""
    return eager_run(network, precision, FIRST), "default layout"


def channels_last(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """Eager, channels last: the layout that tensor cores read."""
    return eager_run(network, precision, LAST), "channels_last_3d"


def captured(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """The same with norms folded and as one CUDA graph, as ours: no launch costs the host."""
    folded, words = norms_folded(network)
    eager = eager_run(folded, precision, LAST)
    replay = Replay(lambda clip: (eager(clip),))
    return lambda clip: replay(clip)[0], f"channels_last_3d, CUDA graph{words}"


def compiled_for_gpu(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """`torch.compile` at its best: kernels tried at length, norms folded, CUDA graphs."""
    dtype = getattr(torch, precision)
    with freezing():
        own = torch.compile(converted(network, precision, LAST), options=AT_ITS_BEST)

        @torch.no_grad()  # freezing does not take inference_mode's tensors
        def run(clip: Tensor) -> Tensor:
            torch.compiler.cudagraph_mark_step_begin()
            return own(clip.to(dtype, memory_format=LAST)).float()  # in memory of its own

        run(clip)
    return run, "inductor, max-autotune, freezing, channels_last_3d"
