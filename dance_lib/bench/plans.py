"""The plans that are timed: random ones at fixed keep rates, and the controller's."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from torch import Tensor

from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.bench.network import is_trained
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance

FULL = "full"
MIXED = "mixed"
CONTROLLER = "controller"
BUDGET = "MACs"
BUDGETS = (0.5, 0.3)  # ideal MAC ratios, as networks are trained for
DRAWS = 8  # random plans whose mean ratio is taken
RATES = (0.75, 0.5, 0.25)
QUICK_RATES = (0.5,)
MIXED_RATES = {"frames": 0.75, "channels": 0.7, "features": 0.75}


@dataclass(frozen=True)
class TimedPlan:
    """A plan and what the tables say of it.

    Attributes:
        name: of its row: `full`, `frames 0.5`, `all 0.25`, `mixed`, `MACs 0.5`, `controller`;
            of a further checkpoint `controller NAME`.
        axis: the pruned axis, "all", "mixed", "full" or "controller".
        keep_rate: of that axis; None where one number does not say it.
        source: "random", "controller" or "untrained controller".
    """

    name: str
    axis: str
    keep_rate: float | None
    source: str
    plan: PruningPlan


def timed_plans(
    net: Dance,
    clip: Tensor,
    *,
    seed: int = 0,
    quick: bool = False,
    budgets: Sequence[float] = (),
) -> list[TimedPlan]:
    """The full plan (keep rate 1 of every axis), each axis and all three at every rate, a mixed
    setting, all axes at the one rate that comes closest to each budget of MACs, and what the
    controller decides about these clips (N, C, T, H, W)."""

    def drawn(name: str, axis: str, rate: float | None, rates: dict[str, float]) -> TimedPlan:
        plan = PruningPlan.random(net, len(clip), seed=seed, **rates)
        return TimedPlan(name, axis, rate, "random", plan)

    found = [drawn(FULL, FULL, 1.0, {})]
    for rate in QUICK_RATES if quick else RATES:
        for axis in AXES:
            found.append(drawn(f"{axis} {rate}", axis, rate, {axis: rate}))
        found.append(drawn(f"all {rate}", "all", rate, dict.fromkeys(AXES, rate)))
    found.append(drawn(MIXED, MIXED, None, MIXED_RATES))
    for budget in budgets:
        rate = rate_of_budget(net, budget, seed)
        found.append(drawn(f"{BUDGET} {budget}", MIXED, None, dict.fromkeys(AXES, rate)))
    return [*found, controllers_plan(net, clip)]


def controllers_plan(net: Dance, clip: Tensor, of: str = "") -> TimedPlan:
    """What a network's controller decides about clips (N, C, T, H, W); `of` ends its name."""
    source = CONTROLLER if is_trained(net) else f"untrained {CONTROLLER}"
    name = f"{CONTROLLER} {of}".strip()
    return TimedPlan(name, CONTROLLER, None, source, net.plan(clip).to("cpu"))


def rate_of_budget(net: Dance, budget: float, seed: int) -> float:
    """The keep rate of all three axes whose random plans have about this ideal MAC ratio."""

    def distance(rate: float) -> float:
        plan = PruningPlan.random(net, DRAWS, seed=seed, **dict.fromkeys(AXES, rate))
        return abs(mac_ratios(net.structure, plan).mean().item() - budget)

    return min((percent / 100 for percent in range(1, 101)), key=distance)


def fresh(
    plan: PruningPlan, copies: int, prepare: Callable[[PruningPlan], Any] = lambda plan: plan
) -> Iterator[Any]:
    """Equal plans that are new objects: each clip of a stream has its own, so nobody may profit
    from having prepared the very same one before. Made ahead, and `prepare`d, off the clock."""
    return cycle([prepare(plan[list(range(len(plan)))]) for _ in range(copies)])
