"""How much of the savings each axis makes."""

from itertools import combinations
from math import factorial

import pandas as pd
import torch
from torch import Tensor

from dance_lib.aap.plan import AXES, Axis, PruningPlan
from dance_lib.data.clips import ClipSet
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance


def axis_shares(net: Dance, clips: ClipSet, plan: PruningPlan) -> pd.DataFrame:
    """A row a clip and axis: `saved`, the share of the dense MACs that this axis saves.

    Axes multiply, so what one saves depends on the others: it is the Shapley value (Shapley 1953)
    of the game whose players are the axes and whose value is 1 − R of the plan with all other
    axes opened. The axes of a clip add up to its 1 − R, the controller's own MACs left out.
    A dropped branch is closed on every axis, so all of them share it evenly.
    """
    saved = _savings(net, plan)
    count = len(AXES)
    rows = []
    for axis in AXES:
        others = [other for other in AXES if other != axis]
        value = torch.zeros(len(plan), dtype=torch.float64)
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for some in combinations(others, size):
                joined = frozenset((*some, axis))
                value += weight * (saved[joined] - saved[frozenset(some)])
        rows.append(
            pd.DataFrame({"path": clips.table["path"], "axis": axis, "saved": value.numpy()})
        )
    return pd.concat(rows, ignore_index=True).assign(kind="counted")


def _savings(net: Dance, plan: PruningPlan) -> dict[frozenset[Axis], Tensor]:
    """By set of axes, 1 − R (N,) of the plan that prunes these alone."""
    full = PruningPlan.full(net, batch=len(plan))
    return {
        frozenset(closed): 1
        - mac_ratios(
            net.structure,
            PruningPlan(*(getattr(plan if axis in closed else full, axis) for axis in AXES)),
        ).double()
        for size in range(len(AXES) + 1)
        for closed in combinations(AXES, size)
    }
