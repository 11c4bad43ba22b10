"""How long a network takes for the clips of one video, dense and pruned."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dance_lib.bench.interleave import interleave
from dance_lib.network import Dance


def latency(net: Dance, fast: Any, clips: Tensor, rounds: int) -> dict[str, float]:
    """Milliseconds a clip, the median of `rounds` warm runs in turns, one clip at a time.

    Args:
        net: its backbone is run without pruning by PyTorch, operator by operator.
        fast: its sparse executor, which also decides on the clock; None leaves it out.
        clips: (N, C, T, H, W) in [0, 1]. With several, the mean over them.

    Returns:
        "dense", and "sparse" where there is an executor; empty without rounds.
    """
    if not rounds:
        return {}

    def each(run: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return lambda: [run(clip) for clip in clips.split(1)]

    runs = {"dense": each(net.dense)}
    if fast is not None:
        runs["sparse"] = each(fast)
    with torch.no_grad():
        times = interleave(runs, rounds)
    medians = times.groupby("name")["ms"].median()
    return {name: float(medians[name]) / len(clips) for name in runs}
