"""Ours as candidates: the sparse executor on every plan, and the parts of a clip's time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import dance_lib as dance
from dance_lib.bench.candidates import Candidate, attempt, reason
from dance_lib.bench.plans import CONTROLLER, TimedPlan, fresh
from dance_lib.bench.setting import Setting
from dance_lib.network import Dance

STEM = "stem"
PLANNING = "statistics, controller, planning"
# Column of the latency table: columns of `count` whose sums it is the ratio of
RATIOS = {
    "ideal_mac_ratio": ("ideal_macs", "dense_macs"),
    "executed_mac_ratio": ("executed_macs", "dense_macs"),
    "ideal_byte_ratio": ("ideal_bytes", "dense_bytes"),
    "executed_byte_ratio": ("executed_bytes", "dense_bytes"),
}


def our_candidates(
    net: Dance, clip: Tensor, plans: list[TimedPlan], setting: Setting
) -> list[Candidate]:
    """A candidate a plan, each checked against the masked executor, and two parts.

    A plan is given to the executor, so its time holds the stem but no planning; the controller's
    own row plans on the clock. Ratios are of the whole network: stem, controller, head included.
    """
    try:
        fast = dance.sparse(net, setting.device, getattr(torch, setting.precision))
        decided = fast.plan(clip).to("cpu")  # by maps in its own precision: close gates may differ
        plans = [replace(p, plan=decided) if p.axis == CONTROLLER else p for p in plans]
        if setting.device == "cuda":
            fast(clip)  # what is executed is counted in the tiles that kernels then choose
    except Exception as failure:  # a network the executor does not take: the rivals go on
        why = reason(failure)
        return [
            Candidate(p.name, "ours", None, {**_facts(p, ratios(net, p)), "reason": why})
            for p in plans
        ]
    found = [_candidate(net, fast, clip, p, setting) for p in plans]
    return [*found, *_parts(fast, clip)]


def ratios(counted: Any, timed: TimedPlan) -> dict[str, float]:
    """Sums over clips and units of what `count` tells of a plan, over the dense network's.

    Args:
        counted: the network, or its executor, which also tells what is executed.
    """
    table = dance.count(counted, timed.plan).sum(numeric_only=True)
    return {
        name: float(table[part] / table[whole])
        for name, (part, whole) in RATIOS.items()
        if part in table
    }


def _candidate(
    net: Dance, fast: Any, clip: Tensor, timed: TimedPlan, setting: Setting
) -> Candidate:
    counted = ratios(net, timed)

    def build() -> tuple[Callable[[], Tensor], str]:
        counted.update(ratios(fast, timed))
        if timed.axis == CONTROLLER:
            return lambda: fast(clip), "plans on the clock"
        if setting.device == "cuda":  # deployed it would come from the controller, which is there
            plans = fresh(timed.plan, setting.rounds + 3, fast.pack)
            return lambda: fast(clip, plan=next(plans)), "plan given, on the device"
        plans = fresh(timed.plan, setting.rounds + 3)
        return lambda: fast(clip, plan=next(plans)), "plan given"

    with torch.no_grad():
        expected = net(clip, plan=timed.plan)
    found = attempt(timed.name, "ours", build, expected, setting.precision)
    return Candidate(found.name, "ours", found.run, {**_facts(timed, counted), **found.facts})


def _facts(timed: TimedPlan, counted: dict[str, float]) -> dict[str, Any]:
    about = {"axis": timed.axis, "keep_rate": timed.keep_rate, "plan": timed.source}
    return about | counted


def _parts(fast: Any, clip: Tensor) -> list[Candidate]:
    """Stem and planning alone, each as in a stream of clips: behind a clip, and behind its stem."""
    stems: list[Any] = [None]
    decide = getattr(fast, "decide", fast.plan_from)  # on a GPU the plan stays there

    def run_stem() -> None:
        stems[0] = fast.stem(clip)

    def run_clip() -> None:
        fast(clip)

    def run_clip_and_stem() -> None:
        run_clip()
        run_stem()

    return [
        Candidate(STEM, "part", run_stem, prepare=run_clip),
        Candidate(PLANNING, "part", lambda: decide(stems[0]), prepare=run_clip_and_stem),
    ]
