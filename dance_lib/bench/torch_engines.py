"""PyTorch as a dense rival: eager, and compiled by inductor."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from torch import Tensor, nn

from dance_lib.bench.dense import Run
from dance_lib.bench.setting import Precision

TRIES = 3  # timed runs that decide on a memory format


def eager(network: nn.Module, clip: Tensor, threads: int, precision: Precision) -> tuple[Run, str]:
    """Plain PyTorch, in the memory format that is the quicker one for this network and clip.

    bfloat16: weights and activations alike, logits in float32; the clip is converted on the clock.
    """
    torch.set_num_threads(threads)
    best: tuple[float, Run, str] | None = None
    for words, layout in (
        ("default layout", torch.contiguous_format),
        ("channels_last_3d", torch.channels_last_3d),
    ):
        run = eager_run(network, precision, layout)
        run(clip)
        seconds = min(_seconds(run, clip) for _ in range(TRIES))
        if best is None or seconds < best[0]:
            best = seconds, run, words
    assert best is not None
    return best[1], best[2]


def eager_run(network: nn.Module, precision: Precision, layout: torch.memory_format) -> Run:
    """A copy of the network, weights and activations in that format and layout."""
    own, dtype = converted(network, precision, layout), getattr(torch, precision)

    @torch.inference_mode()
    def run(clip: Tensor) -> Tensor:
        return own(clip.to(dtype).contiguous(memory_format=layout)).float()

    return run


def converted(network: nn.Module, precision: Precision, layout: torch.memory_format) -> nn.Module:
    """A copy with its weights in that format and layout."""
    own = copy.deepcopy(network).to(getattr(torch, precision))
    for weight in own.parameters():
        if weight.dim() == 5:  # of 3-D convolutions; no other has this layout
            weight.data = weight.data.contiguous(memory_format=layout)
    return own


def compiled(
    network: nn.Module, clip: Tensor, threads: int, precision: Precision
) -> tuple[Run, str]:
    """`torch.compile` with freezing, by which inductor folds norms and lays weights out once."""
    torch.set_num_threads(threads)
    dtype = getattr(torch, precision)
    with freezing():
        own = torch.compile(copy.deepcopy(network).to(dtype))

        @torch.no_grad()  # freezing does not take inference_mode's tensors
        def run(clip: Tensor) -> Tensor:
            return own(clip.to(dtype)).float()

        run(clip)
    return run, "inductor, freezing"


@contextmanager
def freezing() -> Iterator[None]:
    """While open, what `torch.compile` compiles holds its weights as constants.

    As an option of `torch.compile` it changes nothing (torch 2.13): who traces the network, before
    the options count, asks the configuration.
    """
    from torch._inductor import config  # loading it takes a second, which no other engine needs

    with warnings.catch_warnings(), config.patch(freezing=True):
        # inductor still calls what torch itself has deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def norms_folded(network: nn.Module) -> tuple[nn.Module, str]:
    """A copy whose norms are folded into convolutions, where torch.fx can do that; and a word."""
    with warnings.catch_warnings():  # it loads what torch itself has deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch.fx.experimental.optimization import fuse
    try:
        return fuse(network), ", norms folded"
    except Exception:  # what it can't trace stays as it is
        return network, ""


def _seconds(run: Run, clip: Tensor) -> float:
    start = perf_counter()
    run(clip)
    return perf_counter() - start
