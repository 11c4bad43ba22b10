"""From the controller's logits to a plan on the device, in a few launches and with none to ask."""

from itertools import chain

import torch

from dance_lib.aap.controller import Controller, Decisions
from dance_lib.executors.cuda.layout import Layout, PackedPlan

CLOSED, OPEN = float("-inf"), 1.0  # logits of what is not there, and of what is never pruned


class Gates:
    """Decides as `Controller.gates`, about all gates at once: each set of gates is a padded row.

    Args:
        controller: whose logits these will be. layout: of the plan.
    """

    def __init__(self, controller: Controller, layout: Layout, device: torch.device) -> None:
        structure = controller.structure
        branches, owners = structure.branches, structure.channel_owners
        sets = [("frames", b.name, b.size[0], controller.plain) for b in branches.values()]
        sets += [
            ("features", b.name, b.grid[0] * b.grid[1], controller.plain) for b in branches.values()
        ]
        sets += [("channels", name, structure.groups(name), True) for name in owners]
        always = controller.always
        longest = max(count for _, _, count, _ in sets)
        padded = torch.zeros(len(sets), longest, dtype=torch.int64)
        places: list[int] = []
        given = 2  # behind the two logits that stand for what is not given
        for row, (axis, name, count, _) in enumerate(sets):
            pruned = axis in controller.axes
            padded[row, :count] = 1
            if pruned and name not in always:
                padded[row, :count] = torch.arange(given, given + count)
            given += count * pruned
            places += range(row * longest, row * longest + count)
        self._constants = torch.tensor([[CLOSED, OPEN]], device=device)
        self._padded = padded.flatten().to(device)
        self._along = torch.arange(longest, device=device)
        self._best = torch.tensor([[best] for *_, best in sets], device=device)
        self._places, self._layout = torch.tensor(places, device=device), layout

    def __call__(self, logits: Decisions) -> PackedPlan:
        """The plan of logits (N, ...) of the pruned axes."""
        axes = (logits.frames, logits.tiles, logits.channels)
        given = [z.flatten(1) for z in chain.from_iterable(axis.values() for axis in axes)]
        all_ = torch.cat([self._constants.expand(len(given[0]), -1), *given], 1)
        rows = all_.index_select(1, self._padded).unflatten(1, (-1, len(self._along)))
        keeps = rows > 0  # (N, sets, longest)
        closed = self._best & ~keeps.any(2, keepdim=True)
        keeps |= closed & (rows.argmax(2, keepdim=True) == self._along)
        return self._layout.of_gates(keeps.flatten(1).index_select(1, self._places))
