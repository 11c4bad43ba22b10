"""How long a picture takes, in seconds of one core, for the study's network and its clips.

Seconds of this process, so that what else the machine does counts little.
"""

from statistics import median
from time import process_time

import numpy as np
import pytest
import torch

import dance_lib as dance
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.pair import Pair
from dance_lib.explorer.widgets import Panel
from tests.networks import undecided
from tests.train.small import changed, make_clips

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_thawed")]

SHAPE = (3, 16, 56, 56)
CLASSES = 9
SECONDS = 0.5
MOVES = 5  # of each control, of which the median counts


def study_clips(count):
    """Noise of the size of the study's clips."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 56, 56, 3), dtype=np.uint8)
    classes = tuple(f"class {k}" for k in range(CLASSES))
    return changed(make_clips(count), classes=classes, frames=pixels, stored=np.arange(count))


def network(seed):
    torch.manual_seed(seed)
    net = dance.Dance(dance.create_model("r2plus1d_narrow", CLASSES, SHAPE), SHAPE)
    return undecided(net, std=1.0).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def clips():
    return study_clips(64)


@pytest.fixture(scope="module")
def networks(clips):
    pairs = {}
    pixels = clips.batch(np.arange(64))
    for seed, name in enumerate(("without AVA", "AVA cv")):
        pruned = network(seed)
        pairs[name] = Pair(network(seed), pruned, pruned.statistics(pruned.stem(pixels), pixels))
    return Networks(network(9), pairs, clips.classes)


def seconds(control, values):
    took = []
    for value in values:
        start = process_time()
        control.value = value
        took.append(process_time() - start)
    return median(took)


def test_every_control_is_followed_within_half_a_second(clips, networks):
    panel = Panel(clips, networks)
    low, high = panel.budget.min, panel.budget.max
    moves = {
        "clip": range(1, 1 + MOVES),
        "frame": range(2, 2 + MOVES),
        "budget": [low + (high - low) * i / MOVES for i in range(MOVES)],
        "unit": panel.unit.options[:MOVES],
        "network": ["AVA cv", "without AVA"] * 2,
    }
    took = {name: seconds(getattr(panel, name), values) for name, values in moves.items()}
    print({name: round(value, 3) for name, value in took.items()})
    assert max(took.values()) < SECONDS, took
    assert panel.error.value == ""
