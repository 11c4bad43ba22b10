"""One function over many items, on several processes, in order and with a progress bar."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from dance_lib.errors import DanceError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, title: str
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in order; in this process where one is enough.

    PyTorch's own loader does the work: a worker that dies is noticed, and an exception in one is
    raised here. Every process computes on one thread, this one too while it does: with another
    number of threads, sums round differently and results would depend on `workers`.

    Args:
        workers: processes, if the machine has as many cores; more would get in each other's way.
    """
    workers = min(workers, len(os.sched_getaffinity(0)))
    loader = DataLoader(
        _Calls(function, items),
        batch_size=None,
        num_workers=workers if workers > 1 else 0,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # or the loader would advance the caller's global one
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of any fork beside threads. These children start no threads.
            warnings.filterwarnings("ignore", "This process .* multi-threaded", DeprecationWarning)
            with tqdm(desc=title, total=len(items), leave=False) as bar:
                for result in loader:  # not given to the bar: in notebooks it begins another round
                    if isinstance(result, DanceError):
                        raise result
                    yield result
                    bar.update()
    finally:
        torch.set_num_threads(threads)


class _Calls(Dataset, Generic[Item, Result]):
    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self.function, self.items = function, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Result | DanceError:
        try:
            return self.function(self.items[row])
        except DanceError as error:  # raised here, it would arrive as the text of a traceback
            return error


def _as_it_is(result: Result) -> Result:
    return result
