"""The table of MACs and bytes that a plan implies."""

from typing import Any

import pandas as pd
import torch
from torch import Tensor

from dance_lib.aap.plan import PruningPlan, as_plan
from dance_lib.errors import DanceError
from dance_lib.meter.cost import unit_macs
from dance_lib.meter.traffic import dense_bytes, unit_bytes
from dance_lib.models.structure import OTHER, Structure


def count(net: Any, plan: PruningPlan) -> pd.DataFrame:
    """Count what a plan implies on a network.

    Args:
        net: a `Dance` network, or its sparse executor; the plan's units must be its own.

    Returns:
        A row a clip and unit, and one a clip for everything else (`other`: stem, controller,
        shortcuts, head; the controller only in the ideal columns, since the dense network has
        none), with the columns clip, unit, dense_macs, ideal_macs, dense_bytes, ideal_bytes; of a
        sparse executor also executed_macs and executed_bytes: what its kernels carried out, with
        lanes that a register holds in vain and without taps that meet only zeros, and what they
        moved, with weights that were laid out anew and index lists.

    Raises:
        DanceError: `net` is no network of ours.
        PlanError: the plan does not fit the network.
    """
    structure = getattr(net, "structure", None)
    if not isinstance(structure, Structure):
        raise DanceError(f"net must be a Dance network or its executor, not {type(net).__name__}")
    as_plan(plan).check(structure)
    itemsize = getattr(net, "dtype", torch.float32).itemsize
    macs, moved = unit_macs(structure, plan), unit_bytes(structure, plan, itemsize)
    other_macs = structure.other_macs
    other_bytes = itemsize * sum(x.weights + x.inputs + x.outputs for x in structure.others)
    controller_bytes = itemsize * net.controller.values_touched
    costs: list[tuple[Any, ...]] = [
        (name, u.dense_macs, _whole(macs[name]), dense_bytes(u, itemsize), _whole(moved[name]))
        for name, u in structure.units.items()
    ]
    ideal = other_macs + net.controller.macs, other_bytes + controller_bytes
    costs.append((OTHER, other_macs, ideal[0], other_bytes, ideal[1]))
    names = ("unit", "dense_macs", "ideal_macs", "dense_bytes", "ideal_bytes")
    clips = {"clip": range(len(plan))}
    tables = [pd.DataFrame(clips | dict(zip(names, cost, strict=True))) for cost in costs]
    table = pd.concat(tables).sort_values("clip", kind="stable", ignore_index=True)
    if hasattr(net, "executed"):
        spent = net.executed(plan)
        pairs = zip(table["clip"], table["unit"], strict=True)
        rows = [spent[clip].get(unit, (0, 0)) for clip, unit in pairs]
        table["executed_macs"], table["executed_bytes"] = map(list, zip(*rows, strict=True))
        other = table["unit"] == OTHER  # the plan was given, but deployed it is the controller's
        table.loc[other, "executed_macs"] += net.controller.macs
        table.loc[other, "executed_bytes"] += controller_bytes
    return table


def _whole(values: Tensor) -> Any:
    return values.round().to(torch.int64).cpu().numpy()
