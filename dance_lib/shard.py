"""A batch that several processes share: which clips are ours, and what is summed over all of them.

Each process computes its own clips. What a loss says of the whole batch (a mean R, a variance of
activations, the statistics of a norm) is summed over the processes while a shard is open, with
gradients, so that the mean of the processes' gradients is that of one process with all clips.
Nothing is summed where no shard is open: in one process, and outside of training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """Clips `start` to `stop` of a batch of `total`."""

    start: int
    stop: int
    total: int

    @property
    def count(self) -> int:
        """How many there are."""
        return self.stop - self.start

    @property
    def rows(self) -> slice:
        """Where they are in the batch."""
        return slice(self.start, self.stop)


_open: ContextVar[Shard | None] = ContextVar("shard", default=None)


def shard_of(total: int, process: int, processes: int) -> Shard | None:
    """A process's clips of so many: runs of them, one after the other, that differ by one at most.

    None where there is one process, or fewer clips than processes: then each takes all of them,
    since norms and kernels want at least one clip, and the mean of equal gradients is the same.
    """
    if processes == 1 or total < processes:
        return None
    return Shard(process * total // processes, (process + 1) * total // processes, total)


@contextmanager
def opened(shard: Shard | None) -> Iterator[None]:
    """While open, the clips at hand are those of a shard; all processes open theirs together."""
    token = _open.set(shard)
    try:
        yield
    finally:
        _open.reset(token)


def is_open() -> bool:
    """Whether the clips at hand are but a part of the batch."""
    return _open.get() is not None


def summed(values: Tensor) -> Tensor:
    """The sum over all processes, the same in each; gradients are summed as well."""
    return values if _open.get() is None else _Sum.apply(values)


def gathered(values: Tensor) -> Tensor:
    """(n, ...) of the clips at hand -> (N, ...) of all clips of the batch, in its order."""
    shard = _open.get()
    if shard is None:
        return values
    around = (shard.start, shard.total - shard.stop)
    return summed(F.pad(values, (*(0, 0) * (values.dim() - 1), *around)))


def average(values: Tensor) -> Tensor:
    """Means over the clips at hand, of any size -> means over all clips of the batch."""
    shard = _open.get()
    return values if shard is None else summed(values * (shard.count / shard.total))


def mean(values: Tensor) -> Tensor:
    """Mean of (n, ...) over everything, the clips of other processes too; a scalar."""
    return average(values.mean())


def grown(count: int) -> int:
    """How many values all clips have, where those at hand have so many."""
    shard = _open.get()
    return count if shard is None else count // shard.count * shard.total


def uniform(*size: int, generator: torch.Generator | None = None, **options: Any) -> Tensor:
    """Random numbers in [0, 1) of size (n, ...), on the CPU: a clip has those of one process.

    Args:
        options: as for `torch.rand`.
    """
    shard = _open.get()
    if shard is None:
        return torch.rand(*size, generator=generator, **options)
    return torch.rand(shard.total, *size[1:], generator=generator, **options)[shard.rows]


class _Sum(torch.autograd.Function):
    """As `torch.distributed.nn.functional.all_reduce`, which is deprecated."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Every process has a loss, and the sum is a part of each of them.
        return _Sum.apply(gradients[0])
