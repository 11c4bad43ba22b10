"""Two pairs of untrained `TwoBlocks`, clips of noise, and a view of a plan made by hand."""

import numpy as np
import torch

from dance_lib.aap.plan import PruningPlan
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.pair import Pair
from dance_lib.explorer.view import Choice, View, look
from tests.networks import randomise, undecided
from tests.train.small import every_clip, make_clips, make_net

TUNING = 24  # clips


def dance(seed):
    """A network whose gates are about half open, by what its controller reads."""
    torch.manual_seed(seed)
    net = undecided(make_net(seed), std=1.0).eval()
    randomise(net.backbone, seed)
    return net.requires_grad_(False)


def pair(seed):
    before, pruned = dance(seed), dance(seed + 10)
    pixels = every_clip(make_clips(TUNING, seed=3))
    return Pair(before, pruned, pruned.statistics(pruned.stem(pixels), pixels))


def networks():
    pairs = {"without AVA": pair(1), "AVA cv": pair(2)}
    return Networks(dance(0), pairs, clips().classes)


def clips():
    """40 clips that know where their action is, but for the first; it takes half of the video."""
    count = 40
    where = {"x0": 0.25, "y0": 0.0, "x1": 0.75, "y1": 0.5, "video_frames": 8}
    columns = {name: np.full(count, value) for name, value in where.items()}
    columns |= {"action_start": np.full(count, 2.0), "action_end": np.full(count, 6.0)}
    for name in ("x0", "y0", "x1", "y1", "action_start", "action_end"):
        columns[name] = np.where(np.arange(count) == 0, np.nan, columns[name])
    return make_clips(count, **columns)


def shown(row=1):
    return ShownClip.of_set(clips(), row)


def by_hand(networks, unit="a.0", frame=1):
    """A view whose first branch keeps frames 1 and 3 of 4 and the left half of the tiles, group 2
    of unit a.0; the second branch is dropped."""
    structure = networks.structure
    first, second = structure.branches.values()
    frames = {first.name: torch.tensor([[1.0, 0, 1, 0]]), second.name: torch.ones(1, 2)}
    left = torch.tensor([1.0, 1, 0, 0]).expand(1, 4, 4)
    tiles = {first.name: left, second.name: torch.zeros(1, 4, 4)}
    channels = {u: torch.ones(1, structure.groups(u)) for u in structure.channel_owners}
    channels["a.0"] = torch.tensor([[0.0, 1]])
    plan = PruningPlan.from_decisions(structure, frames=frames, tiles=tiles, channels=channels)
    real = look(shown(), Choice("AVA cv", unit, 0.5, frame), networks)
    pair = real.pair
    return View(
        clip=real.clip,
        choice=real.choice,
        networks=networks,
        activity=real.activity,
        plan=plan,
        dense=np.array([0.1, 0.6, 0.1, 0.1, 0.1]),
        pruned=np.array([0.05, 0.3, 0.45, 0.15, 0.05]),
        ratio=float(pair.mac_ratios(plan)[0]),
        ratios=real.ratios,
    )
