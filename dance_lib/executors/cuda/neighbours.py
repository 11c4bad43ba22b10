"""Which positions the rows of all units read, looked up once for the plans of a batch."""

from collections.abc import Iterable
from itertools import product
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from dance_lib.executors.cuda.kernels import ROWS, look_up
from dance_lib.executors.cuda.layout import Lists, Place, pointers
from dance_lib.executors.kernels import Window
from dance_lib.models.structure import Unit

NOWHERE = -1  # in the place of a source: the whole input was written


class Reader(NamedTuple):
    """A unit, its window and place, and the place of the unit whose holes it reads past, if any."""

    unit: Unit
    window: Window
    place: Place
    source: Place | None = None


class Neighbours:
    """One launch that looks up what every kept row of every unit reads at every tap.

    Args:
        readers: the units. device: where plans will lie.
    """

    def __init__(self, readers: Iterable[Reader], device: torch.device) -> None:
        self._shapes: dict[str, tuple[int, int]] = {}  # taps and rows of a clip
        about, jobs, start = [], [], 0
        for number, (unit, window, place, source) in enumerate(readers):
            (T, H, W), (oT, oH, oW) = unit.in_shape[1:], unit.out_shape[1:]
            rows, taps = oT * oH * oW, window.taps
            holes = (source.frames, source.places) if source else (NOWHERE, NOWHERE)
            about.append(
                (start, rows, taps, place.frames, place.places, place.counts, *holes, T, H, W, oW,
                 *window.stride)
            )  # fmt: skip
            for tap, at in enumerate(product(*map(range, window.kernel))):
                sides = zip(at, window.dilation, window.padding, strict=True)
                offset = [k * dilation - padding for k, dilation, padding in sides]
                jobs += [(number, tap, *offset, first) for first in range(0, rows, ROWS)]
            self._shapes[unit.name] = taps, rows
            start += taps * rows
        self._about, self._jobs = (
            torch.tensor(each, dtype=torch.int32, device=device) for each in (about, jobs)
        )

    def __call__(self, lists: Lists) -> dict[str, Tensor]:
        """By unit, int32 (N, taps, output positions): what each kept row reads, -1 for nothing.

        Positions count from the first clip's; rows behind the kept ones hold anything.
        """
        clips, device = len(lists.flags), lists.flags.device
        sizes = [clips * prod(shape) for shape in self._shapes.values()]
        tables = torch.empty(sum(sizes), dtype=torch.int32, device=device)
        if len(self._jobs):
            look_up[(len(self._jobs), clips)](
                tables, self._about, self._jobs, *pointers(lists), clips,
                FIELDS=self._about.shape[1], JOB=self._jobs.shape[1], ROWS=ROWS,
            )  # fmt: skip
        return {
            name: table.view(clips, *shape)
            for (name, shape), table in zip(self._shapes.items(), tables.split(sizes), strict=True)
        }
