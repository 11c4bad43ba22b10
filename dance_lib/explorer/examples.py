"""Views that stand for the sliders where no kernel runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dance_lib.data import ClipSet
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.view import Choice, View, look
from dance_lib.train import choose_plans

LOOKED_THROUGH = 64  # clips
LOWER = 0.6  # of the budget as trained


def choose_views(clips: ClipSet, networks: Networks) -> dict[str, View]:
    """Of 64 clips those that keep least and most, each at the budget as trained and a lower one.

    Seen in the last pair, at the unit in the middle of the network and the middle frame.

    Returns:
        By name: least, least_lower, most, most_lower.
    """
    name, pair = list(networks.pairs.items())[-1]
    budgets = {"": pair.as_trained, "_lower": max(pair.reach[0], round(LOWER * pair.as_trained, 2))}
    units = list(networks.structure.units)
    rows = np.linspace(0, len(clips) - 1, min(LOOKED_THROUGH, len(clips))).astype(int)
    ratios = pair.mac_ratios(choose_plans(pair.pruned, clips.take(rows)))
    found = {"least": rows[ratios.argmin()], "most": rows[ratios.argmax()]}
    views = {}
    for word, row in found.items():
        clip = ShownClip.of_set(clips, int(row))
        for ending, budget in budgets.items():
            choice = Choice(name, units[len(units) // 2], budget, clips.clip_shape[1] // 2)
            views[word + ending] = look(clip, choice, networks)
    return views


def views_table(views: Mapping[str, View]) -> pd.DataFrame:
    """A row a view, in numbers."""
    rows = [{"view": name, **view.row()} for name, view in views.items()]
    return pd.DataFrame(rows).assign(kind="measured")
