"""Processes that share a batch, played by threads: what is summed over them takes no start-up."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from dance_lib import shard


def together(monkeypatch, total, count, run):
    """What `run(own)` gives in each of `count` threads that share a batch of `total` clips.

    `own` are the rows of a thread's clips. Sums wait for all, as those of processes do.
    """
    barrier = threading.Barrier(count, timeout=30)
    offered = [None] * count

    def all_reduce(values):
        offered[number.value] = values.clone()
        barrier.wait()
        whole = torch.stack(offered).sum(0)
        barrier.wait()  # before anybody offers the next
        values.copy_(whole)

    number = threading.local()

    def one(process):
        number.value = process
        own = shard.shard_of(total, process, count)
        try:
            with shard.opened(own):
                return run(own.rows)
        except BaseException:
            barrier.abort()
            raise

    monkeypatch.setattr(shard.dist, "all_reduce", all_reduce)
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(one, k) for k in range(count)]]
