"""What AVA did: tables by hand, and the sentences computed from them."""

import pytest

from dance_lib.analysis import amplified
from tests.analysis import made

VARIANTS = {"aap": "none", "dance": "cv", "ava_raw": "raw"}  # the last has not run


def test_what_came_before_is_kept_once():
    named = amplified.name_stages(made.variability())
    arms = named["arm"].value_counts().to_dict()
    assert arms == {"before": 4, "after as long without AVA": 4, "after cv": 4}


def pruned():
    return amplified.pruned_table(made.arms(), VARIANTS, made.TITLES)


def test_pruned_table_by_hand():
    table = pruned().set_index("ava")
    assert table["accuracy"].to_dict() == {"none": 0.8, "cv": 0.9}
    assert table["gain"].to_dict() == pytest.approx({"none": 0.0, "cv": 0.1})
    assert table.loc["cv", "arm"] == "AVA cv + AAP"


def test_variability_table_by_hand():
    table = amplified.variability_table(
        amplified.name_stages(made.variability()), amplified.name_stages(made.norms())
    ).set_index("arm")
    assert table["cv"].to_dict() == {
        "before": 2.5, "after as long without AVA": 2.5, "after cv": 5.0
    }  # fmt: skip
    assert table.loc["after cv", ["norm_scale", "norm_shift"]].tolist() == [3.0, 0.5]
    text = amplified.variability_answer(table.reset_index(), pruned())
    assert "cv: median cv × **2.00**, interaction × **2.00**, norm scales × 3.00" in text
    assert "against AAP without AVA: cv +10.0 points [" in text


def test_one_variant_can_not_be_compared():
    units = amplified.name_stages(made.variability().query("ava == 'none'"))
    norms = amplified.name_stages(made.norms().query("ava == 'none'"))
    text = amplified.variability_answer(amplified.variability_table(units, norms), pruned())
    assert "nothing can be compared" in text
