"""The processes that train together, and the device of each, as `accelerate` says.

`torchrun` or `accelerate launch` starts them; nothing here does. A process that neither has started
trains alone, on a GPU where there is one, and needs no `accelerate`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dance_lib.data.clips import ClipSet
from dance_lib.errors import DanceError
from dance_lib.network import Dance
from dance_lib.shard import Shard, shard_of
from dance_lib.train.norms import over_all_clips

Told = TypeVar("Told")
StepLoss = Callable[[Any], Tensor]


@cache
def here() -> "Processes":
    """This process among those that train together.

    Raises:
        ModuleNotFoundError: it was started as one of several, and there is no `accelerate`.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1 or "ACCELERATE_USE_CPU" in os.environ
    return Processes(_accelerator() if launched else None)


def _accelerator() -> Any:
    from accelerate import Accelerator, DistributedDataParallelKwargs

    partly = DistributedDataParallelKwargs(find_unused_parameters=True)  # a stage moves a part
    return Accelerator(kwargs_handlers=[partly])


class Processes:
    """What a process has to know of the others.

    Args:
        accelerator: an `accelerate.Accelerator`; None for a process that is alone.

    Raises:
        DanceError: training in float16 is asked for.

    Attributes:
        place: number of this process, and how many there are.
        device: where it trains.
    """

    def __init__(self, accelerator: Any = None) -> None:
        self.accelerator = accelerator
        if accelerator is None:
            self.place = (0, 1)
            self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        elif accelerator.mixed_precision == "fp16":
            raise DanceError(
                "training in float16 needs its losses scaled, which is not done here: launch with "
                "--mixed_precision bf16 or no"
            )
        else:
            self.place = (accelerator.process_index, accelerator.num_processes)
            self.device = accelerator.device

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes files and says things."""
        return self.place[0] == 0

    @property
    def bar(self) -> dict[str, Any]:
        """Options of a progress bar, which one process shows."""
        return {} if self.is_main else {"disable": True}

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.place[1] == 1

    def shard(self, total: int) -> Shard | None:
        """The part of so many clips that this process computes; None for all of them."""
        return shard_of(total, *self.place)

    def own(self, clips: ClipSet) -> ClipSet:
        """The part of the clips that this process evaluates; `cat` puts together what comes."""
        shard = self.shard(len(clips))
        return clips if shard is None else clips.take(range(shard.start, shard.stop))

    def joined(self, own: Told, total: int) -> list[Told]:
        """What each process has of its part of so many clips, in their order."""
        if self.shard(total) is None:
            return [own]
        from accelerate.utils import gather_object

        return gather_object([own])

    def cat(self, own: Tensor, total: int) -> Tensor:
        """(n, ...) of this process's part of so many clips -> (N, ...) of all, on the CPU."""
        return torch.cat(self.joined(own.cpu(), total))

    @contextmanager
    def at_work(self, net: Dance) -> Iterator[torch.device]:
        """While open, a network of the CPU's memory is on this process's device; gives that.

        One that its owner has put elsewhere stays there.
        """
        processor = torch.device("cpu")
        moves = net.mean.device == processor and self.device != processor
        if moves:
            _move(net, self.device)
        try:
            yield net.mean.device
        finally:
            if moves:
                _move(net, processor)

    @contextmanager
    def together(self, net: Dance, loss: StepLoss) -> Iterator[StepLoss]:
        """The loss, whose gradients are the means over all processes, and whose norms see all."""
        if self.accelerator is None:
            yield loss
            return
        try:
            with over_all_clips(net):
                yield self.accelerator.prepare_model(_Whole(net, loss))
        finally:
            self.accelerator.free_memory()  # else this stage's hooks would act in the next one

    def told(self, make: Callable[[], Told]) -> Told:
        """What the main process makes, in all processes; the others make nothing."""
        made: list[Any] = [make() if self.is_main else None]
        if not self.alone:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(made)
        return made[0]

    def end(self) -> None:
        """Take leave of the others, once all is done."""
        if self.accelerator is not None:
            self.accelerator.end_training()


@torch.inference_mode(False)
def _move(net: Dance, device: torch.device) -> None:
    """Also from within an evaluation, whose weights could never be trained again."""
    net.to(device)


class _Whole(nn.Module):
    """A network and a loss of it as one module: gradients are averaged where its forward runs."""

    def __init__(self, net: Dance, loss: StepLoss) -> None:
        super().__init__()
        self.net = net
        self.loss = loss

    def forward(self, step: Any) -> Tensor:
        """The loss of a step."""
        return self.loss(step)
