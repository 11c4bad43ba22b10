"""What AVA did: tables by hand, and the sentences computed from them."""

from math import nan

import pandas as pd
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
    assert table["gain"].to_dict() == pytest.approx({"none": nan, "cv": 0.1}, nan_ok=True)
    assert table["p"].isna().all()  # of one seed
    assert table.loc["cv", "arm"] == "AVA cv + AAP"


def test_p_values_are_adjusted_over_the_variants():
    arms = made.arms()
    raw = arms[arms["arm"] == "dance"].assign(arm="ava_raw")
    every = pd.concat([arms, raw])
    every = pd.concat([every.assign(seed=seed) for seed in (0, 1)])
    titles = made.TITLES | {"ava_raw": "AVA raw + AAP"}
    both = amplified.pruned_table(every, VARIANTS, titles).set_index("ava")["p"]
    alone = amplified.pruned_table(every[every["arm"] != "ava_raw"], VARIANTS, titles)
    assert both["cv"] == both["raw"] == min(1, 2 * alone.set_index("ava")["p"]["cv"])


def test_variability_table_by_hand():
    table = amplified.variability_table(
        amplified.name_stages(made.variability()), amplified.name_stages(made.norms())
    ).set_index("arm")
    assert table["cv"].to_dict() == {
        "before": 2.5, "after as long without AVA": 2.5, "after cv": 5.0
    }  # fmt: skip
    assert table.loc["after cv", ["norm_scale", "norm_shift"]].tolist() == [3.0, 0.5]
    text = amplified.variability_answer(table.reset_index(), pruned())
    assert "cv (one seed): variance × **1.00**, cv × **2.00**, interaction × **2.00**." in text
    assert "against AAP without AVA: cv +10.0 points [" in text


def test_what_is_raised_is_compared_within_a_seed():
    """Seed 1 varies ten times as much, and `cv` raises it by 4 (2 in seed 0): 3, not near 4.

    Student's t of two values one away from their mean: 3 ± 12.706 × √2 / √2.
    """
    first = made.variability()
    amplification = 1 + (first["stage"].eq("after") & first["ava"].eq("cv"))
    second = first.assign(seed=1, interaction=10 * first["interaction"] * amplification)
    control = first[first["ava"] == "none"].assign(seed=2, interaction=1e3)  # has no partner
    units = amplified.name_stages(pd.concat([first, second, control], ignore_index=True))
    table = amplified.variability_table(units, amplified.name_stages(made.norms()))
    row = table.set_index("arm").loc["after cv"]
    times = row[["times_interaction", "times_interaction_low", "times_interaction_high"]]
    assert times.tolist() == pytest.approx([3, 3 - 12.706, 3 + 12.706], abs=1e-3)
    assert row["seeds"] == 2
    assert table.set_index("arm")["times_cv"].isna().to_dict() == {
        "before": True, "after as long without AVA": True, "after cv": False
    }  # fmt: skip


def test_one_variant_can_not_be_compared():
    units = amplified.name_stages(made.variability().query("ava == 'none'"))
    norms = amplified.name_stages(made.norms().query("ava == 'none'"))
    text = amplified.variability_answer(amplified.variability_table(units, norms), pruned())
    assert "nothing can be compared" in text
