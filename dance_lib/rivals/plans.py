"""Plans taken apart, and static ones made of them: one for all clips, at a MAC ratio of choice."""

from collections.abc import Collection, Mapping
from itertools import combinations

import torch
from torch import Tensor

from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, Axis, PruningPlan
from dance_lib.errors import DanceError
from dance_lib.meter.cost import mac_ratios
from dance_lib.models.structure import Structure

STEPS = 20


def mean_gates(plan: PruningPlan, structure: Structure, ratio: float) -> PruningPlan:
    """What is kept most often: (1 clip) the plan whose MAC ratio is nearest to `ratio`.

    A frame, tile or channel group is kept where the given plans keep it at a rate above a
    threshold, the same for all, found by bisection.

    Args:
        plan: plans of training clips.
    """
    rates = keep_rates(plan)
    low, high = 0.0, 1.0
    best: tuple[float, PruningPlan] | None = None
    for _ in range(STEPS):
        threshold = (low + high) / 2
        found = above(rates, threshold, structure)
        missed = mac_ratios(structure, found).item() - ratio
        if best is None or abs(missed) < abs(best[0]):
            best = (missed, found)
        low, high = (threshold, high) if missed > 0 else (low, threshold)
    assert best is not None
    return best[1]


def majority(plan: PruningPlan, structure: Structure) -> PruningPlan:
    """What at least half of the given plans keep, as the plan of one clip."""
    return above(keep_rates(plan), 0.5, structure)


def without_branches(structure: Structure, dropped: Collection[str]) -> PruningPlan:
    """Everything but these branches, as the plan of one clip."""
    kept = {u.name: u.branch not in dropped for u in structure.units.values()}
    shapes = {u.name: u.out_shape for u in structure.units.values()}
    return PruningPlan(
        {u: torch.full((1, shapes[u][1]), k) for u, k in kept.items()},
        {u: torch.full((1, shapes[u][0]), k) for u, k in kept.items()},
        {u: torch.full((1, *shapes[u][2:]), k) for u, k in kept.items()},
    )


def branch_subsets(structure: Structure, ratio: float) -> list[PruningPlan]:
    """The plans that drop whole branches and stay within `ratio`, but for those that drop more.

    Raises:
        DanceError: no set of branches comes down to the ratio.
    """
    droppable = [b.name for b in structure.branches.values() if b.droppable]
    enough: list[set[str]] = []
    for count in range(len(droppable) + 1):
        for names in combinations(droppable, count):
            plan = without_branches(structure, names)
            fits = mac_ratios(structure, plan).item() <= ratio
            if fits and not any(fewer <= set(names) for fewer in enough):
                enough.append(set(names))
    if not enough:
        raise DanceError(f"no set of branches can be dropped to reach {ratio} of the MACs")
    return [without_branches(structure, names) for names in enough]


def repeated(plan: PruningPlan, clips: int) -> PruningPlan:
    """The plan of one clip for many."""
    return PruningPlan(
        *({u: e.expand(clips, *e.shape[1:]) for u, e in getattr(plan, a).items()} for a in AXES)
    )


Gates = dict[str, Tensor]


def gates_of(masks: Masks, structure: Structure) -> tuple[Gates, Gates, Gates]:
    """What was decided for each clip, read off what that means for the units.

    Returns:
        frames (N, T_b) and tiles (N, G_h, G_w) by branch, channel groups (N, groups) by the unit
        that owns them; bool or gates, as the masks are.
    """
    frames, tiles = {}, {}
    for branch in structure.branches.values():
        last = branch.units[-1]
        rows, columns = map(_first_of_cells, branch.size[1:], branch.grid)
        frames[branch.name] = masks.frames[last]
        tiles[branch.name] = masks.features[last][:, rows][:, :, columns]
    owners, size = structure.channel_owners, structure.group_size
    return frames, tiles, {unit: masks.channels[unit][:, ::size] for unit in owners}


def _first_of_cells(positions: int, cells: int) -> Tensor:
    """The first of `positions` in each cell of a grid: ⌈i·L/G⌉."""
    return torch.tensor([-(-i * positions // cells) for i in range(cells)])


Rates = Mapping[Axis, Mapping[str, Tensor]]


def keep_rates(plan: PruningPlan) -> Rates:
    """By axis and unit, how often each frame, channel and position is kept, (1, ...) float64."""
    return {
        axis: {u: e.double().mean(0, keepdim=True) for u, e in getattr(plan, axis).items()}
        for axis in AXES
    }


def above(rates: Rates, threshold: float, structure: Structure) -> PruningPlan:
    """What is kept at a rate of at least the threshold.

    Where that leaves a unit no channel group, or a plain network no frame or tile, what is kept
    most often stays; a residual branch without frames or tiles is dropped.
    """
    kept = {axis: {u: r >= threshold for u, r in rates[axis].items()} for axis in AXES}

    def keep_best(axis: Axis, unit: str) -> None:
        if not kept[axis][unit].any():
            kept[axis][unit] = rates[axis][unit] == rates[axis][unit].max()

    for branch in structure.branches.values():
        last = branch.units[-1]
        for unit in branch.units:
            keep_best("channels", unit)
            if not branch.droppable:
                keep_best("frames", unit)
                keep_best("features", unit)
        if not (kept["frames"][last].any() and kept["features"][last].any()):
            for axis in AXES:
                for unit in branch.units:
                    kept[axis][unit] = torch.zeros_like(kept[axis][unit])
    return PruningPlan(*(kept[axis] for axis in AXES))
