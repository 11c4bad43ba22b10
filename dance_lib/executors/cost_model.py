"""Where leaving out dropped channels costs more than computing them.

Dropped frames, tiles and branches are left out for nothing. A subset of channels needs its weights
laid out anew, which pays only where they are used on enough positions. Two rates decide, measured
once on each machine.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import perf_counter

import numpy as np
import torch
from pydantic import BaseModel, PositiveFloat, ValidationError

from dance_lib.atomic import UnwritableError, replacing
from dance_lib.executors.kernels import Kernels, Target, Window
from dance_lib.executors.layer import Kept, Layer
from dance_lib.executors.native import cache_folder
from dance_lib.executors.rows import Index, Rows
from dance_lib.models.structure import Structure

logger = logging.getLogger(__name__)

REPEATS = 5


class Rates(BaseModel, frozen=True):
    """Seconds that a multiply-accumulate takes, and a weight that is laid out anew."""

    per_mac_s: PositiveFloat
    per_weight_s: PositiveFloat


class CostModel:
    """Chooses, for one clip, the units whose dropped channels are left out.

    Args:
        structure: of the network.
        layers: by unit.
        rates: of the machine.
    """

    def __init__(self, structure: Structure, layers: Mapping[str, Layer], rates: Rates) -> None:
        self._structure, self._layers, self._rates = structure, layers, rates
        branches = structure.branches.values()
        # A unit's choice is its readers' too: all units of a branch choose alike, and all of a
        # plain network, where units read each other across branches.
        residual = all(branch.droppable for branch in branches)
        self._together = [b.units for b in branches] if residual else [tuple(structure.units)]

    def choose(self, kept: Mapping[str, Kept]) -> frozenset[str]:
        """Units that are computed without their dropped channels; the others zero them."""
        chosen: set[str] = set()
        for units in self._together:
            if all(kept[u].channels is None for u in units):
                continue
            if self._seconds(units, kept, compact=True) < self._seconds(units, kept, compact=False):
                chosen |= set(units)
        return frozenset(chosen)

    def _seconds(self, units: tuple[str, ...], kept: Mapping[str, Kept], compact: bool) -> float:
        seconds = 0.0
        for name in units:
            unit, layer = self._structure.units[name], self._layers[name]
            outputs = _count(kept[name], unit.out_shape[0], compact)
            inputs = sum(
                count if source is None else _count(kept[source], count, compact)
                for source, count in unit.sources
            )
            weights = outputs * max(1, inputs // layer.groups) * layer.window.taps
            seconds += weights * kept[name].rows(layer.size) * self._rates.per_mac_s
            if outputs < unit.out_shape[0] or inputs < unit.in_shape[0]:
                seconds += weights * self._rates.per_weight_s
        return seconds


def _count(kept: Kept, channels: int, compact: bool) -> int:
    return channels if kept.channels is None or not compact else len(kept.channels)


def measured(kernels: Kernels) -> Rates:
    """The rates of this machine: from the cache, or measured in a fraction of a second."""
    path = cache_folder() / f"rates-{kernels.key}.json"
    try:
        return Rates.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        rates = measure(kernels)
        logger.info("measured %s, kept in %s", rates, path)
        with (
            suppress(OSError, UnwritableError),
            replacing(path) as partial,
        ):  # no cache: measured every time
            partial.write_text(json.dumps(rates.model_dump()))
        return rates


def measure(kernels: Kernels) -> Rates:
    """Time one convolution on 7 × 7 positions, and laying out half of its channels."""
    outputs, inputs, size = 576, 512, (1, 7, 7)
    weights = kernels.lay_out(
        torch.full((outputs, inputs, 1, 3, 3), 0.01), torch.zeros(outputs), depthwise=False
    )
    x = Rows(torch.ones(49, inputs, dtype=kernels.dtype), inputs, size)
    y = Rows(torch.empty(49, outputs, dtype=kernels.dtype), outputs, size)
    window = Window((1, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1))
    macs = 49 * weights.outputs * weights.inputs * weights.taps
    half = _every_other_group(inputs), _every_other_group(outputs)
    elsewhere = torch.zeros(2**24)  # 64 MiB: a layer's weights come from memory, not from a cache
    moved = len(half[0]) * len(half[1]) * weights.taps
    return Rates(
        per_mac_s=_seconds(lambda: kernels.convolve(x, window, weights, Target(y))) / macs,
        per_weight_s=_seconds(lambda: kernels.pick(weights, *half), elsewhere.zero_) / moved,
    )


def _every_other_group(channels: int) -> Index:
    return np.flatnonzero(np.arange(channels) // 8 % 2 == 0).astype(np.int32)


def _seconds(run: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Of the quickest of some runs: what else the machine does only ever adds to one."""
    times = []
    for _ in range(REPEATS):
        before()
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times)
