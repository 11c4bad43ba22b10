"""The views that stand for the sliders, against R of every clip."""

import numpy as np
import pytest

from dance_lib import count
from dance_lib.explorer.examples import choose_views, views_table
from dance_lib.explorer.networks import Networks


@pytest.fixture(scope="module")
def views(networks, clips):
    return choose_views(clips, networks)


def test_they_are_the_cheapest_and_the_dearest_clip_at_two_budgets(networks, clips, views):
    pair = networks.pairs["AVA cv"]
    plan = pair.pruned.plan(clips.batch(np.arange(len(clips))))
    macs = count(pair.pruned, plan).groupby("clip")["ideal_macs"].sum()
    expected = {
        "least": clips.table["path"][macs.argmin()],
        "most": clips.table["path"][macs.argmax()],
    }
    assert list(views) == ["least", "least_lower", "most", "most_lower"]
    for name, view in views.items():
        assert view.clip.name == expected[name.removesuffix("_lower")]
        assert (view.choice.network, view.choice.unit, view.choice.frame) == ("AVA cv", "c.0", 2)
    lower = max(pair.reach[0], round(0.6 * pair.as_trained, 2))
    budgets = [view.choice.budget for view in views.values()]
    assert budgets == [pair.as_trained, lower] * 2
    assert views["least"].ratio < views["most"].ratio
    assert views["most_lower"].ratio <= views["most"].ratio


def test_they_are_a_table_a_row_each(views):
    table = views_table(views)
    assert table["view"].tolist() == list(views)
    assert table["mac_ratio"].tolist() == [view.ratio for view in views.values()]
    assert set(table["kind"]) == {"measured"}


def test_one_network_is_enough(networks, clips):
    alone = Networks(networks.dense, {"without AVA": networks.pairs["without AVA"]}, clips.classes)
    views = choose_views(clips.take(range(3)), alone)
    assert {view.choice.network for view in views.values()} == {"without AVA"}
