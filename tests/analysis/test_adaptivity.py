"""Whether plans follow their clip: tables by hand, and the sentences computed from them."""

import math

import numpy as np
import pandas as pd
import pytest

from dance_lib.analysis import adaptivity
from tests.analysis import made


def table_of(clips=None, places=None):
    return adaptivity.adaptivity_table(
        made.arms() if clips is None else clips, made.branches(), made.units(), made.shares(),
        made.places() if places is None else places, made.TITLES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return table_of()


def test_adaptivity_table_by_hand(table):
    by_arm = table.set_index("arm")
    row = by_arm.loc["AVA cv + AAP"]
    losses = [row[f"{p}_loss"] for p in ("shuffled", "inverted", "majority", "random")]
    assert losses == pytest.approx([0.5, 0.7, 0.3, 0.6])
    assert (row["R"], row["R_5"], row["R_95"]) == pytest.approx((0.5, 0.41, 0.59))
    assert row["clips"] == 10
    assert row["decision"] == pytest.approx(0.4)
    saved = [row[f"saved_{axis}"] for axis in ("frames", "channels", "features")]
    assert saved == pytest.approx([0.2, 0.2, 0.6])
    assert row["frames_recall"] == 0.75
    assert (row["features_recall"], row["features_kept"]) == (1.0, 0.5)
    assert by_arm.loc["AAP", "largest_branch"] == pytest.approx(1.0)
    assert row["largest_branch"] == pytest.approx(0.5)
    assert row["difficulty"] > 0.9  # R rises with the stratum


def branch_table(*ratios, shares=None):
    shares = shares or [0.5] * len(ratios)
    return pd.concat(
        [
            pd.DataFrame({"path": [f"{i}" for i in range(len(r))], "branch": f"b{b}", "seed": 0,
                          "mac_ratio": r, "dense_share": share, "arm": "aap"})
            for b, (r, share) in enumerate(zip(ratios, shares, strict=True))
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ratios", "shares", "expected"),
    [
        (([0, 1, 0, 1], [0.3] * 4), None, 1.0),  # one block switched on and off
        (([0, 1, 0, 1], [0, 1, 0, 1]), None, 0.5),
        (([0, 1, 0, 1], [0, 1, 0, 1]), [0.6, 0.2], 0.75),  # parts weigh by their MACs
        (([0, 0, 1, 1], [0, 1, 0, 1]), [0.6, 0.3], 0.8),  # uncorrelated: 0.36 of 0.36 + 0.09
        (([0, 1, 0, 1], [1, 0, 1, 0]), [0.6, 0.2], 1.5),  # one undoes part of the other
        (([0.5] * 4, [0.1] * 4), None, math.nan),  # R does not vary
        (([0.1] * 7, [0.7] * 7), [0.3, 0.6], math.nan),
    ],
)
def test_largest_branch_by_hand(ratios, shares, expected):
    """Covariance of a branch's part of R with R, over the variance of R."""
    table = branch_table(*ratios, shares=shares)
    assert adaptivity.largest_branch(table) == pytest.approx(expected, nan_ok=True)


def test_seeds_count_alike():
    one = branch_table([0, 1, 0, 1], [0.3] * 4)  # one branch carries all
    other = branch_table([0, 1, 0, 1], [0, 1, 0, 1]).assign(seed=1)  # both carry half
    assert adaptivity.largest_branch(pd.concat([one, other])) == pytest.approx(0.75)


@pytest.mark.parametrize("columns", [["difficulty"], []])
def test_difficulty_is_empty_where_the_set_has_none(columns):
    clips = made.arms().drop(columns=columns)
    if not columns:
        clips["difficulty"] = np.nan  # another set's column, read back empty
    assert table_of(clips)["difficulty"].isna().all()


def test_difficulty_by_hand():
    """Spearman's correlation of (0, 1, 2) with R, here in opposite order."""
    clips = made.clip_rows(3, clips=3, mac_ratio=[0.9, 0.5, 0.1], plans="controller")
    assert clips["difficulty"].tolist() == ["easy", "medium", "hard"]
    assert adaptivity.difficulty(clips) == pytest.approx(-1)
    assert math.isnan(adaptivity.difficulty(clips.assign(mac_ratio=0.5)))  # R does not vary


def test_without_truth_there_is_no_localisation():
    table = table_of(places=made.places().iloc[:0])
    assert not [name for name in table if name.endswith("_recall")]
    assert "action" not in adaptivity.adaptivity_answer(table)


def test_the_answer_says_whether_plans_are_worth_more_to_their_own_clip(table):
    text = adaptivity.adaptivity_answer(table)
    assert "AVA cv + AAP: plans **are** worth more" in text
    assert "whose plan costs 50.0 points [" in text
    told = (
        "the inverted plan costs 70.0 (at R 0.50), one plan for all costs 30.0 (at R 0.50), a "
        "random one costs 60.0"
    )
    assert told in text
    better = adaptivity.adaptivity_answer(table.assign(majority_loss=-0.095))
    assert "one plan for all **gains 9.5** (at R 0.50)" in better
    assert "100 % of the action's tiles are kept where 50 % of all are" in text
    same = table_of(made.arms().assign(correct=1))  # whatever plan is run
    assert "plans **are not shown to be** worth more" in adaptivity.adaptivity_answer(same)


def test_whether_looking_is_worth_anything():
    """Own plans of `aap` are right on 8 of 10 clips: on 2 more than the other, or on none."""
    arms = made.arms()
    own = arms[(arms["arm"] == "aap") & (arms["plans"] == "controller")]
    titles = made.TITLES | {"reads_average": "constant controller"}
    reads = {"aap": "stem", "reads_average": "average"}

    def answer(blind):
        return adaptivity.looking_answer(
            pd.concat([own, blind.assign(arm="reads_average")]), reads, titles
        )

    assert "It **is not shown** that looking" in answer(own)
    assert "AAP is +0.0 points [+0.0, +0.0] (by seed +0.0)" in answer(own)
    wrong = answer(own.assign(correct=0))
    assert "It **is shown** that looking" in wrong
    assert "AAP is +80.0 points [" in wrong
    uneven = [own.assign(correct=0), own.assign(seed=1, correct=[0] * 5 + [1] * 3 + [0] * 2)]
    both = pd.concat([own, own.assign(seed=1)])
    seeds = pd.concat([both, pd.concat(uneven).assign(arm="reads_average")])
    assert "It **is shown, if not by the seeds alone,** that" in adaptivity.looking_answer(
        seeds, reads, titles
    )
    assert "No controller" in adaptivity.looking_answer(own, {"aap": "stem"}, titles)


def test_difficulty_is_a_mean_over_seeds():
    first = made.clip_rows(3, clips=3, mac_ratio=[0.1, 0.5, 0.9], plans="controller", arm="aap")
    second = first.assign(seed=1, mac_ratio=[0.5, 0.1, 0.9])  # ranks 2, 1, 3: correlation 0.5
    others = made.arms().query("arm == 'aap' and plans != 'controller'")
    clips = pd.concat([first, second, others], ignore_index=True)
    assert table_of(clips)["difficulty"].tolist() == pytest.approx([0.75])


def test_plans_table():
    table = adaptivity.plans_table(made.arms(), made.TITLES).set_index(["arm", "plans"])
    assert len(table) == 10
    assert table.loc[("AAP", "majority"), "accuracy"] == 0.7
    assert table.loc[("AVA cv + AAP", "controller"), "mac_ratio"] == pytest.approx(0.5)


def test_strata_by_hand():
    table = adaptivity.strata_table(made.arms(), made.TITLES).set_index(["arm", "value"])
    # Clips 0 to 3 are easy; R rises by 0.2 / 9 a clip from 0.4.
    assert table.loc[("AAP", "easy"), "mac_ratio"] == pytest.approx(0.4 + 1.5 * 0.2 / 9)
    assert table.loc[("AAP", "hard"), "accuracy"] == pytest.approx(1 / 3)  # 7 of 7, 8, 9
    assert set(table["stratum"]) == {"difficulty"}
    assert adaptivity.strata_table(made.arms().drop(columns="difficulty"), made.TITLES).empty


def test_the_best_of_several_plans_is_compared_on_its_own_clips():
    arms = made.arms()
    own = arms[(arms["arm"] == "aap") & (arms["plans"] == "controller")].head(4)
    best = own.assign(plans="oracle", correct=1, mac_ratio=0.3)
    table = table_of(pd.concat([arms, best], ignore_index=True)).set_index("key")
    row = table.loc["aap"]
    assert row["oracle_clips"] == 4
    assert row["oracle_gain"] == pytest.approx(1 - own["correct"].mean())
    assert row["oracle_R"] == pytest.approx(0.3)
    assert row["oracle_own_R"] == pytest.approx(own["mac_ratio"].mean())
    text = adaptivity.adaptivity_answer(table.reset_index())
    assert text.count("the best of several plans a clip gains") == 1
    assert f"at R 0.30 for {own['mac_ratio'].mean():.2f} (4 clips)" in text
