"""Joules of a clip on this machine: long loops under a meter, in turns, with idle power beside."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import perf_counter, sleep
from typing import Any, NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from dance_lib.bench import gpu
from dance_lib.bench.candidates import Candidate
from dance_lib.bench.measure import make_candidates, said_of_all
from dance_lib.bench.plans import BUDGET, BUDGETS, CONTROLLER
from dance_lib.bench.provenance import version_of
from dance_lib.bench.setting import BenchError, Setting
from dance_lib.bench.static import SAME
from dance_lib.devices.host import CodeCarbon, Meter, Nvml, Part, Reading

LOOP_S = 30.0  # a meter's steps, and codecarbon's of a second, are lost in it
# Random plans of as many MACs as a trained one; where there are none, half of every axis at least,
# a ninth of the MACs.
DRAWN, ELSE = tuple(f"{BUDGET} {budget}" for budget in BUDGETS), ("all 0.5",)


def measure_energy(
    setting: Setting,
    threads: int,
    *,
    meter: Meter | None = None,
    loop_s: float = LOOP_S,
) -> pd.DataFrame:
    """The energy table of one setting; columns as those of `meter_loops`, and facts and origin.

    Metered are all dense engines, the plan `all 0.5` or, on a GPU, those of a budget of MACs, a
    trained controller's, and the static networks of as many MACs as any.

    Args:
        setting: its rounds are how many loops each of them has.
        meter: by default codecarbon, on a GPU its own counter.

    Raises:
        DanceError: nothing could be built that runs, or there is no meter.
    """
    meter = meter or (Nvml(gpu.nvml_name()) if setting.device == "cuda" else CodeCarbon())
    candidates, shown = make_candidates(setting, threads)
    metered = {c.name: c for c in chosen(candidates)}
    if not metered:
        raise BenchError("nothing runs here that could be metered; `dance bench` says why")
    runs = {name: c.run for name, c in metered.items() if c.run is not None}
    table = meter_loops(
        runs, meter, batch=setting.batch, loop_s=loop_s, repeats=setting.rounds, seed=setting.seed
    )
    for fact in ("engine", "plan", "ideal_mac_ratio"):
        table[fact] = table["name"].map({n: c.facts.get(fact) for n, c in metered.items()})
    table["group"] = table["name"].map({n: c.group for n, c in metered.items()})
    common = said_of_all(setting, threads, shown)
    return table.assign(**common, codecarbon=version_of("codecarbon"))


def chosen(candidates: list[Candidate]) -> list[Candidate]:
    """Those worth half a minute each: see `measure_energy`."""
    drawn = DRAWN if any(c.name in DRAWN for c in candidates) else ELSE
    ours = [
        c
        for c in candidates
        if c.group == "ours"
        and (
            c.name in drawn or (c.name.startswith(CONTROLLER) and c.facts.get("plan") == CONTROLLER)
        )
    ]
    ratios = [c.facts["ideal_mac_ratio"] for c in ours]
    dense = [c for c in candidates if c.group == "dense"]
    static = [  # one stands for all plans of about its ratio
        c
        for c in candidates
        if any(abs(c.facts.get("target_mac_ratio", math.inf) - r) <= SAME for r in ratios)
    ]
    return [c for c in (*dense, *ours, *static) if c.run is not None]


def meter_loops(
    runs: Mapping[str, Callable[[], object]],
    meter: Meter,
    *,
    batch: int,
    loop_s: float,
    repeats: int,
    seed: int = 0,
    clock: Callable[[], float] = perf_counter,
    rest: Callable[[float], object] = sleep,
) -> pd.DataFrame:
    """Loop over every callable for `loop_s` seconds, in an order shuffled anew for each repeat.

    Each repeat begins with as long a rest, whose power is that of the idle machine.

    Args:
        batch: clips of one call.
        clock: seconds. rest: lets the machine idle for so many.

    Returns:
        A row a loop and part of the machine, never of two meters: name, repeat, part, meter, kind,
        clips, duration_s, ms_per_clip, power_w, idle_w, energy_j, j_per_clip (gross), and
        net_j_per_clip, without what the idle machine takes in that time. Both times and joules are
        of the same loop. Where idle power comes from another meter, the net is empty.
    """
    order = list(runs)
    shuffle = random.Random(seed).shuffle
    rows: list[dict[str, Any]] = []
    meter.energy_of(lambda: None)  # its first stretch also looks for the hardware
    for name in order:
        runs[name]()  # nobody's first run is in a loop
    with tqdm(total=repeats * (len(order) + 1), desc="energy", unit="loop") as bar:
        for repeat in range(repeats):
            shuffle(order)
            resting = _metered(lambda: rest(loop_s), meter, clock)
            idle = {r.part: (r.energy_j / resting.duration_s, r.meter) for r in resting.readings}
            bar.update()
            for name in order:
                loop = _metered(partial(_calls, runs[name], loop_s, clock), meter, clock)
                bar.update()
                about = {"name": name, "repeat": repeat}
                rows += [about | row for row in _rows(loop, loop.result * batch, idle)]
    return pd.DataFrame(rows)


class _Stretch(NamedTuple):
    """What was done under a meter, how long it took, and the joules."""

    result: Any
    duration_s: float
    readings: list[Reading]


def _metered(work: Callable[[], Any], meter: Meter, clock: Callable[[], float]) -> _Stretch:
    """Do the work under the meter; the clock leaves out what the meter itself takes."""
    result, duration_s = None, 0.0

    def timed() -> None:
        nonlocal result, duration_s
        start = clock()
        result = work()
        duration_s = clock() - start

    readings = meter.energy_of(timed)
    return _Stretch(result, duration_s, readings)


def _calls(run: Callable[[], object], loop_s: float, clock: Callable[[], float]) -> int:
    """Run until `loop_s` seconds are over; how often that was."""
    start, calls = clock(), 0
    while clock() - start < loop_s:
        run()
        calls += 1
    return calls


def _rows(
    loop: _Stretch, clips: int, idle: Mapping[Part, tuple[float, str]]
) -> Iterator[dict[str, Any]]:
    """A row a part of the machine; `idle` has its power at rest, and by which meter."""
    taken = loop.duration_s
    for reading in loop.readings:
        power, by = idle.get(reading.part, (float("nan"), ""))
        known = power if by == reading.meter else float("nan")
        yield {
            "part": reading.part,
            "meter": reading.meter,
            "kind": reading.kind,
            "clips": clips,
            "duration_s": taken,
            "ms_per_clip": 1e3 * taken / clips,
            "power_w": reading.energy_j / taken,
            "idle_w": known,
            "energy_j": reading.energy_j,
            "j_per_clip": reading.energy_j / clips,
            "net_j_per_clip": (reading.energy_j - known * taken) / clips,
        }
