"""One function over many items, on several processes, in order and with a progress bar."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from dance_lib.data.errors import DataError
from dance_lib.errors import DanceError

Item = TypeVar("Item")
Result = TypeVar("Result")
LOST = re.compile(r"DataLoader worker \(pid.*?\) (is killed by signal: [^.]*|exited unexpectedly)")


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, title: str
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in order; in this process where one is enough.

    PyTorch's own loader does the work: an exception in a worker is raised here, and one that dies
    is noticed, though not always here (`lost_worker_told`). Every process computes on one thread,
    this one too while it does: with another number of threads, sums round differently and results
    would depend on `workers`.

    Args:
        workers: processes, if the machine has as many cores; more would get in each other's way.

    Raises:
        DataError: a worker died.
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
            bar = tqdm(desc=title, total=len(items), leave=False)
            with bar, lost_worker_told():
                for result in loader:  # not given to the bar: in notebooks it begins another round
                    if isinstance(result, DanceError):
                        raise result
                    yield result
                    bar.update()
    finally:
        torch.set_num_threads(threads)


@contextmanager
def lost_worker_told() -> Iterator[None]:
    """Say in one line, with a remedy, that a process of `in_parallel` died.

    PyTorch raises that wherever this process is: code that works on results stands in it, too.
    """
    try:
        yield
    except RuntimeError as error:
        lost = LOST.match(str(error))
        if lost is None:
            raise
        raise DataError(
            f"{lost[0].strip()}, most often for want of memory; free some and try again, or use "
            f"one process (put `taskset -c 0` before the command; in Python, workers=1)"
        ) from error


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
