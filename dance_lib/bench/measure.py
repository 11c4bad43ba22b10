"""One setting from start to end, in one process: build, check, take times in turns, tabulate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dance_lib.bench import gpu
from dance_lib.bench.candidates import Candidate
from dance_lib.bench.dense import DenseNetwork
from dance_lib.bench.engines import in_engine
from dance_lib.bench.interleave import interleave
from dance_lib.bench.latency import fastest, latency_table
from dance_lib.bench.network import draw_clips, open_network
from dance_lib.bench.ours import our_candidates
from dance_lib.bench.plans import BUDGETS, controllers_plan, timed_plans
from dance_lib.bench.provenance import provenance
from dance_lib.bench.setting import Setting
from dance_lib.bench.static import static_candidates
from dance_lib.checkpoint import load

FIRST_ROUNDS = 3  # of the dense engines alone: in the fastest of them the static rivals run


@dataclass(frozen=True)
class Measured:
    """The tables of one setting: a row a run, and a row a candidate."""

    timings: pd.DataFrame
    latency: pd.DataFrame


def measure(setting: Setting, threads: int) -> Measured:
    """Measure one setting with `threads` threads, in a process that has as many cores.

    Raises:
        DanceError: the model or the checkpoint can't be opened, or there is no GPU.
    """
    candidates, shown = make_candidates(setting, threads)
    timings = _times(candidates, setting.rounds, setting, "all in turns")
    latency = latency_table(candidates, timings, setting.batch)
    common = said_of_all(setting, threads, shown)
    return Measured(timings.assign(kind="measured", **common), latency.assign(**common))


def said_of_all(setting: Setting, threads: int, shown: str) -> dict[str, Any]:
    """What every row of a setting's tables says: the setting, and where its numbers come from."""
    common = setting.columns() | {"cores": threads, "clip": shown} | provenance(setting.seed)
    return common | gpu.origin() if setting.device == "cuda" else common


def make_candidates(setting: Setting, threads: int) -> tuple[list[Candidate], str]:
    """Dense engines, ours, and static rivals in the engine that is the fastest in a first round.

    Returns:
        All of them, checked, those that can't run too; and what the clips show.
    """
    torch.set_num_threads(threads)
    net = open_network(setting)
    clip, shown = draw_clips(setting)
    on_gpu = setting.device == "cuda"
    if on_gpu:
        device = gpu.prepare()
        net, clip = net.to(device), clip.to(device)
    whole = DenseNetwork.of(net)
    dense = [
        in_engine(name, "dense", name, whole, clip, threads, setting.precision)
        for name in setting.engines
    ]
    dense = gpu.on_the_clock(dense) if on_gpu else dense
    first = _times(dense, FIRST_ROUNDS, setting, "dense engines")
    engine = fastest(first, [c.name for c in dense])

    budgets = BUDGETS if on_gpu else ()
    plans = timed_plans(net, clip, seed=setting.seed, quick=setting.quick, budgets=budgets)
    ours = our_candidates(net, clip, plans, setting)
    for path in setting.checkpoints:
        other = load(path).to(clip.device)
        own = controllers_plan(other, clip, Path(path).stem)
        plans.append(own)
        found = our_candidates(other, clip, [own], setting)
        ours += [c for c in found if c.group == "ours"]
    ratios = [c.facts["ideal_mac_ratio"] for c in ours if c.group == "ours"]
    statics = []
    if engine and setting.static:
        statics = static_candidates(net, clip, threads, setting.precision, engine, ratios)
    found = [*dense, *ours, *statics]
    if on_gpu:
        found = [*dense, *gpu.on_the_clock([*ours, *statics])]
        found = gpu.with_bounds(found, net, plans, setting.precision, setting.batch)
    return found, shown


def _times(candidates: list[Candidate], rounds: int, setting: Setting, title: str) -> pd.DataFrame:
    runs = {c.name: c.run for c in candidates if c.run is not None}
    prepare = {c.name: c.prepare for c in candidates if c.prepare is not None}
    return interleave(
        runs, rounds, prepare=prepare, seed=setting.seed, title=f"{setting.name}: {title}"
    )
