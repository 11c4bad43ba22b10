"""How long the explorer takes to follow each control, for the study's network and its clips.

A benchmark, which `python -m tests.explorer.speed` prints: half a second is asked. Besides seconds
of the wall, seconds of this process, in which what else the machine does counts less.
"""

from time import perf_counter, process_time

import numpy as np
import pandas as pd
import torch

import dance_lib as dance
from dance_lib.data.clips import ClipSet
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.pair import Pair
from dance_lib.explorer.widgets import Panel
from tests.networks import undecided
from tests.train.small import changed, make_clips

SHAPE = (3, 16, 56, 56)
CLASSES = 9
MOVES = 5  # of each control


def study_clips(count: int) -> ClipSet:
    """Noise of the size of the study's clips."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 56, 56, 3), dtype=np.uint8)
    classes = tuple(f"class {k}" for k in range(CLASSES))
    return changed(make_clips(count), classes=classes, frames=pixels, stored=np.arange(count))


def network(seed: int) -> dance.Dance:
    """The study's network, whose gates are neither all open nor all closed."""
    torch.manual_seed(seed)
    net = dance.Dance(dance.create_model("r2plus1d_narrow", CLASSES, SHAPE), SHAPE)
    return undecided(net, std=1.0).eval().requires_grad_(False)


def panel() -> Panel:
    """The explorer over two pairs of such networks."""
    clips = study_clips(64)
    pixels = clips.batch(np.arange(64))
    pairs = {}
    for seed, name in enumerate(("without AVA", "AVA cv")):
        pruned = network(seed)
        pairs[name] = Pair(network(seed), pruned, pruned.statistics(pruned.stem(pixels), pixels))
    return Panel(clips, Networks(network(9), pairs, clips.classes))


def measure(panel: Panel) -> pd.DataFrame:
    """A row a move: control, process_s, wall_s."""
    low, high = panel.budget.min, panel.budget.max
    moves = {
        "clip": range(1, 1 + MOVES),
        "frame": range(2, 2 + MOVES),
        "budget": [low + (high - low) * i / MOVES for i in range(MOVES)],
        "unit": panel.unit.options[:MOVES],
        "network": ["AVA cv", "without AVA"] * 2,
    }
    rows = []
    for control, values in moves.items():
        for value in values:
            process, wall = process_time(), perf_counter()
            getattr(panel, control).value = value
            took = {"process_s": process_time() - process, "wall_s": perf_counter() - wall}
            rows.append({"control": control, **took})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    times = measure(panel()).groupby("control", sort=False)
    print(times.agg(["median", "max"]).round(3).to_string())
