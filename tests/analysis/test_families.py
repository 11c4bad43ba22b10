"""Arms and rivals that belong together, read off the study's own matrix."""

from pathlib import Path

import pandas as pd
import pytest

from dance_lib.analysis import families
from dance_lib.errors import DanceError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_the_study(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_arms_that_differ_in_one_thing():
    arms = list(families.parameters_of("arm"))
    assert families.differing_in("ava", arms) == {
        "aap": "none", "dance": "cv", "ava_raw": "raw", "ava_interaction": "interaction"
    }  # fmt: skip
    assert list(families.differing_in("reads", arms)) == [
        "aap", "reads_average", "reads_pixels", "reads_layer1"
    ]  # fmt: skip
    assert len(families.differing_in("axes", arms)) == 7
    assert families.differing_in("ava", ["dance", "aap"]) == {"aap": "none", "dance": "cv"}
    with pytest.raises(DanceError, match="'aap'"):
        families.differing_in("ava", ["dance"])


def test_budgets_are_one_line():
    lines = families.on_one_line()
    assert lines["AAP"] == ["aap", "aap_30"]
    assert lines["AVA cv + AAP"] == ["dance", "dance_30"]
    assert lines["static, mean gates"] == ["static", "static_30"]
    assert lines["frames alone"] == ["frames"]
    everything = [*families.parameters_of("arm"), *families.parameters_of("rival")]
    assert sorted(key for keys in lines.values() for key in keys) == sorted(everything)


def test_some_of():
    assert families.some_of(["aap", "frozen"], ["dance", "aap"]) == ["aap"]
    with pytest.raises(DanceError, match="none of the arms frozen is among aap"):
        families.some_of(["frozen"], ["aap"])


def test_the_best_rival_that_meets_the_budget_is_named():
    rows = [
        ("AAP", "aap", "arm", 0.5, 0.50, 0.97, -0.01),
        ("small", "small", "rival", 0.5, 0.51, 0.95, -0.03),
        ("off", "off", "rival", 0.5, 0.60, 0.99, 0.0),
        ("poor", "poor", "rival", 0.5, 0.5, 0.96, -0.04),  # of seeds in which dense is better
        ("AAP, 0.3", "aap_30", "arm", 0.3, 0.30, 0.9, -0.08),
    ]
    columns = ["name", "key", "group", "budget", "mac_ratio", "accuracy", "against_dense"]
    ends = {"against_low": -0.05, "against_high": 0.01, "seeds": 2}
    text = families.answer(pd.DataFrame(rows, columns=columns).assign(**ends))
    assert (
        "AAP reaches **97.0 % with 0.50 of the MACs, -1.0 points against dense [-5.0, +1.0] "
        "(2 seeds)**; the best of 2 rivals (small) 95.0 % with 0.51 of the MACs, -3.0 points"
    ) in text
    assert "At a budget of 0.3, AAP, 0.3 reaches **90.0 % with 0.30 of the MACs, -8.0" in text
