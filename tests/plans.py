"""Plans drawn unit by unit, as a person may write them by hand: no branch, no grid behind them."""

import torch

from dance_lib.aap.plan import PruningPlan


def by_unit(net, batch, seed, drop=None):
    """Frames, channels and positions of each unit drawn on their own, those of one gate together.

    Args:
        drop: {clip: branch} to drop: False on every unit of the branch.
    """
    generator = torch.Generator().manual_seed(seed)
    structure = net.structure

    def draw(*size):
        return torch.rand(batch, *size, generator=generator) < 0.6

    frames, channels, features = {}, {}, {}
    for name, unit in structure.units.items():
        C, T, H, W = unit.out_shape
        frames[name], features[name] = draw(T), draw(H, W)
        if unit.groups == 1:
            channels[name] = draw(C)
        elif unit.shares is not None:
            channels[name] = channels[unit.shares].clone()
        else:
            channels[name] = torch.ones(batch, C, dtype=torch.bool)
        if not structure.branches[unit.branch].droppable:
            frames[name][:, 0] = features[name][:, 0, 0] = True
    for clip, branch in (drop or {}).items():
        for name in structure.branches[branch].units:
            for kept in (frames[name], channels[name], features[name]):
                kept[clip] = False
    return PruningPlan(frames, channels, features)
