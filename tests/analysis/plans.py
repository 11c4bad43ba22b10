"""Plans written down gate by gate, for arithmetic by hand."""

import torch

from dance_lib import PruningPlan


def decided(net, count, *, frames=None, tiles=None, channels=None):
    """Everything open for `count` clips, but for the gates given by branch or unit.

    Args:
        frames, tiles, channels: {name: nested lists of 0 and 1, a row a clip}.
    """
    structure = net.structure

    def entries(given, sizes):
        given = given or {}
        assert set(given) <= set(sizes), (set(given), set(sizes))
        return {
            name: torch.tensor(given[name], dtype=torch.float32).reshape(count, *size)
            if name in given
            else torch.ones(count, *size)
            for name, size in sizes.items()
        }

    branches = structure.branches.items()
    return PruningPlan.from_decisions(
        structure,
        frames=entries(frames, {name: (b.size[0],) for name, b in branches}),
        tiles=entries(tiles, {name: b.grid for name, b in branches}),
        channels=entries(channels, {u: (structure.groups(u),) for u in structure.channel_owners}),
    )
