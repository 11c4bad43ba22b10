"""CUDA graphs: launched once for real, then replayed by one call for every batch of that shape."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

WARM_UPS = 2  # before a capture: kernels are compiled and tried, libraries choose theirs
Function = Callable[..., tuple[Tensor, ...]]


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]
    done: torch.cuda.Event  # the latest replay, and the copies of what it gave


class Replay:
    """Calls a function of tensors; on a GPU, by a CUDA graph for each shape and format of those.

    It may be called from several threads and streams: a graph has one set of buffers, which the
    next call waits for.

    Args:
        function: must ask nothing of the device's values. What can't be captured (a part of a
            network that waits for the device) is launched anew each time.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._captured: dict[tuple[tuple[torch.Size, torch.dtype], ...], _Captured | None] = {}
        self._lock = threading.Lock()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The function's outputs, in memory of their own."""
        if not inputs[0].is_cuda:
            return self._function(*inputs)
        with self._lock:
            kinds = tuple((x.shape, x.dtype) for x in inputs)
            if kinds not in self._captured:
                self._captured[kinds] = self._capture(inputs)
            captured = self._captured[kinds]
            if captured is None:
                return self._function(*inputs)
            torch.cuda.current_stream().wait_event(captured.done)
            for own, given in zip(captured.inputs, inputs, strict=True):
                own.copy_(given, non_blocking=True)
            captured.graph.replay()
            outputs = tuple(output.clone() for output in captured.outputs)
            captured.done.record()
            return outputs

    @torch.inference_mode(False)  # its buffers are for all callers
    @torch.no_grad()
    def _capture(self, inputs: Sequence[Tensor]) -> _Captured | None:
        own = [x.clone() for x in inputs]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    self._function(*own)
            with torch.cuda.stream(aside), _refusing_to_wait():
                self._function(*own)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph):
                outputs = self._function(*own)
        except RuntimeError as error:
            logger.warning("no CUDA graph, each launch by itself: %s", error)
            return None
        finally:
            torch.cuda.current_stream().wait_stream(aside)
        return _Captured(graph, own, outputs, torch.cuda.Event())


@contextmanager
def _refusing_to_wait() -> Iterator[None]:
    """Raise where something waits for the device: within a capture that would spoil the process's
    random numbers, too."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
