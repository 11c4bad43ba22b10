"""Times of several callables, taken in turns, so that what slows the machine slows all alike."""

import gc
import random
from collections.abc import Callable, Mapping
from time import perf_counter, sleep

import pandas as pd
from tqdm.auto import tqdm

SETTLE_S = 0.002  # before each run: threads of the one before that still spin go to sleep


def interleave(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    prepare: Mapping[str, Callable[[], object]] | None = None,
    seed: int = 0,
    warmup: int = 2,
    title: str = "",
    clock: Callable[[], float] = perf_counter,
    settle: Callable[[], None] = lambda: sleep(SETTLE_S),
) -> pd.DataFrame:
    """Run every callable once a round, in an order shuffled anew for each round.

    Args:
        rounds: timed ones; `warmup` more come before them.
        prepare: by name, called before that run, off the clock.
        clock: seconds. settle: called before each run, off the clock.
        title: of the progress bar; without one there is none.

    Returns:
        A row a timed run, in the order they ran: name, round (from 0), ms.
    """
    order = list(runs)
    shuffle = random.Random(seed).shuffle
    rows = []
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()  # what is there now stays: collecting between rounds looks at new objects alone
    gc.disable()  # a collection would hit whoever runs at that moment
    try:
        counted = range(-warmup, rounds)
        for index in tqdm(counted, desc=title, unit="round", leave=False) if title else counted:
            shuffle(order)
            for name in order:
                settle()
                if prepare and name in prepare:
                    prepare[name]()
                start = clock()
                runs[name]()
                ms = (clock() - start) * 1e3
                if index >= 0:
                    rows.append((name, index, ms))
            gc.collect()
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
    return pd.DataFrame(rows, columns=["name", "round", "ms"])
