"""Memory for activations, used again and again.

A map of 30 MB that is allocated anew for every layer costs its page faults every time.
"""

import mmap

import torch
from torch import Tensor

HUGE = 2**21  # bytes of a huge page


class Workspace:
    """Lends buffers; what is not given back by the time it goes is freed.

    Args:
        free: buffers that nobody uses; several workspaces of one thread share the list.
    """

    def __init__(self, free: list[Tensor]) -> None:
        self._free = free
        self._taken: dict[int, Tensor] = {}

    def take(self, rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """(rows, width) of undefined content: the smallest free buffer that holds it."""
        count = rows * width
        if not count:
            return torch.empty(rows, width, dtype=dtype)
        fitting = [b for b in self._free if b.dtype == dtype and b.numel() >= count]
        if fitting:
            buffer = min(fitting, key=Tensor.numel)
            self._free[:] = [b for b in self._free if b is not buffer]
        else:
            buffer = uninitialised(count, dtype)
        self._taken[buffer.data_ptr()] = buffer
        return buffer[:count].view(rows, width)

    def give(self, rows: Tensor) -> None:
        """Give back what `take` gave; memory of somebody else's is let alone."""
        buffer = self._taken.pop(rows.data_ptr(), None)
        if buffer is not None:
            self._free.append(buffer)


def uninitialised(count: int, dtype: torch.dtype) -> Tensor:
    """(count,) of undefined content, on huge pages where the system has them.

    A map or the weights of a layer span thousands of ordinary pages: looking those up costs more
    than some layers compute.
    """
    size = count * dtype.itemsize
    if size < HUGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(count, dtype=dtype)
    memory = mmap.mmap(-1, -(-size // HUGE) * HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype, count=count)
