"""What follows a network's last step of training: norm statistics, and the operating point."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from dance_lib import shard
from dance_lib.data.clips import ClipSet, batches
from dance_lib.network import Dance
from dance_lib.train.norms import over_all_clips
from dance_lib.train.operating_point import shift_for, shift_gates
from dance_lib.train.processes import here
from dance_lib.train.recipe import Recipe


def recompute_norms(net: Dance, clips: ClipSet, recipe: Recipe) -> None:
    """Norm statistics without gate noise: the mean over all batches."""
    processes = here()

    def inputs() -> Iterator[Tensor]:
        shared = batches(clips, recipe.batch_size, process=processes.place)
        for batch, _, rows in shared:
            with shard.opened(processes.shard(len(rows))):  # until the next is asked for
                yield batch.to(device)

    with processes.at_work(net) as device, over_all_clips(net):
        update_bn(inputs(), net)


@torch.no_grad()
def calibrate(net: Dance, clips: ClipSet, recipe: Recipe, tolerance: float = 0.002) -> float:
    """Shift all gate logits by one constant until the mean R over these clips meets the budget.

    Uses the clips it is given and no labels; returns the shift. It moves the operating point of a
    trained controller by the little that noise and annealing left over.
    """
    processes = here()
    own = processes.own(clips)
    net.eval()
    with processes.at_work(net) as device:
        moved = (batch.to(device) for batch, _, _ in batches(own, recipe.batch_size))
        join = partial(processes.cat, total=len(clips))
        statistics = [net.statistics(net.stem(batch), batch) for batch in moved]
        shift = shift_for(net, statistics, recipe.budget, tolerance, join=join)
        shift_gates(net.controller, shift)
    return shift
