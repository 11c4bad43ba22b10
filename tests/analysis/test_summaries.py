"""Summary tables by hand, and the sentences that are computed from them."""

import math

import numpy as np
import pandas as pd
import pytest

from dance_lib.analysis import summaries
from dance_lib.train import Recipe
from tests.analysis import made
from tests.train.small import make_clips


# ------------------------------------------------------------------ names
def test_arms_in_words():
    rows = pd.DataFrame({"ava": ["none", "cv", "raw"]})
    assert summaries.name_arms(rows)["arm"].tolist() == ["AAP", "AVA cv + AAP", "AVA raw + AAP"]


def test_what_came_before_is_kept_once():
    named = summaries.name_stages(made.variability())
    arms = named["arm"].value_counts().to_dict()
    assert arms == {"before": 4, "after as long without AVA": 4, "after cv": 4}


# ------------------------------------------------------------------ computing notebooks
def test_sets():
    train, test = make_clips(12), make_clips(4)
    table = summaries.sets_table(train, test)
    assert table.loc["train"].tolist() == [12, 5, 0]
    assert table.loc["test"].tolist() == [4, 4, 0]


def test_dense_answer():
    base = pd.DataFrame({"baseline": ["size_only"], "accuracy": [0.125]})
    text = summaries.dense_answer(made.dense(), base, Recipe(dense_epochs=7), 5)
    assert "After 7 epochs the network is right on 70.0 % of 10 test clips" in text
    assert "**100.0 % [100.0, 100.0]**" in text
    assert "size_only 12.5 %" in text
    assert "chance 20.0 %" in text
    assert "none run" in summaries.dense_answer(made.dense(), base[:0], Recipe(), 5)


def test_ava_answer():
    rows = made.variability().query("ava == 'cv'")
    before, after = (rows[rows["stage"] == stage] for stage in ("before", "after"))
    clips = made.amplified().query("ava == 'cv'")
    text = summaries.ava_answer("cv", before, after, clips)
    assert "over 4 units and 270 held-out clips" in text
    assert text.count("**2.00**") == 2
    assert "right on 60.0 % [" in text


def test_aap_answer():
    clips = made.aap().query("ava == 'cv'")
    text = summaries.aap_answer("cv", 0.5, clips)
    assert "right on **90.0 % [" in text
    assert "mean R of **0.500**, " in text
    assert "0.41 to 0.59" in text  # percentiles of ten values from 0.4 to 0.6
    assert "Shuffled plans lose 50.0 points [" in text
    assert "misses the budget" in summaries.aap_answer("cv", 0.45, clips)


# ------------------------------------------------------------------ accuracy against MACs
@pytest.fixture(scope="module")
def accuracy():
    tables = made.dense(), made.amplified(), made.aap(), made.units()
    return summaries.accuracy_table(*tables, budget=0.5)


def test_accuracy_table_by_hand(accuracy):
    table = accuracy.set_index("name")
    assert table["accuracy"].to_dict() == {
        "dense": 1.0,
        "dense, where every arm starts (unfinished)": 0.7,
        "AVA cv, before pruning (unfinished)": 0.6,
        "AAP": 0.8,
        "AAP, one plan for all": 0.7,
        "AVA cv + AAP": 0.9,
        "AVA cv + AAP, one plan for all": 0.6,
    }
    assert set(table["clips"]) == {10}
    pruned = table.loc["AVA cv + AAP"]
    assert pruned["mac_ratio"] == pytest.approx(0.5)
    assert pruned["byte_ratio"] == pytest.approx(0.6)
    assert pruned["against_dense"] == pytest.approx(-0.1)
    assert pruned["shuffled_loss"] == pytest.approx(0.5)
    assert (pruned["R_5"], pruned["R_95"]) == pytest.approx((0.41, 0.59))
    kept = [pruned[f"kept_{axis}"] for axis in ("frames", "channels", "features")]
    assert kept == pytest.approx([0.4, 0.65, 0.9])
    assert table.loc["dense", ["mac_ratio", "byte_ratio"]].tolist() == [1, 1]
    assert table.loc["dense", ["against_dense", "on_budget", "R_5"]].isna().all()
    assert set(accuracy["kind"]) == {"measured"}


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.0, True), (0.019, True), (0.021, False), (-0.019, True),
                            (-0.021, False)]
)  # fmt: skip
def test_a_mean_r_over_two_hundredths_off_is_marked(shift, expected):
    tables = made.dense(), made.amplified(), made.aap(shift), made.units()
    table = summaries.accuracy_table(*tables, budget=0.5).set_index("name")
    assert table.loc[["AAP", "AVA cv + AAP"], "on_budget"].tolist() == [expected] * 2
    text = summaries.accuracy_answer(table.reset_index())
    assert ("misses its budget" in text) is not expected


def test_the_answer_says_what_the_table_says(accuracy):
    text = summaries.accuracy_answer(accuracy)
    assert "The dense network is right on **100.0 %** of 10 test clips." in text
    assert "AVA cv + AAP reaches **90.0 %** with **50 %** of the MACs and 60 % of the bytes" in text
    assert "-10.0 points against dense" in text
    assert "another clip's plan would cost 50.0 points" in text
    assert "unfinished" not in text


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_table_reads_the_same_from_its_file(tmp_path, shift):
    """99_claims shows what 10 wrote."""
    tables = made.dense(), made.amplified(), made.aap(shift), made.units()
    table = summaries.accuracy_table(*tables, budget=0.5)
    shown = summaries.styled(table).data
    again = summaries.styled(made.reread(table, tmp_path / "table.csv")).data
    pd.testing.assert_frame_equal(shown, again)
    by_name = again.set_index("network")
    assert by_name.loc["AAP", "on budget"] == ("no" if shift else "yes")
    assert by_name.loc["dense", "on budget"] == ""
    assert by_name.loc["dense", "accuracy, %"] == "100.0 [100.0, 100.0]"
    assert by_name.loc["AAP", "frames kept, %"] == "50.0"
    assert by_name.loc["dense", "against dense, points"] == ""
    assert by_name.loc["AAP", "against dense, points"].startswith("-20.0 [")
    assert by_name.loc["AAP", "shuffled plans lose, points"] == "20.0"


# ------------------------------------------------------------------ variability
def test_variability_table_by_hand():
    table = summaries.variability_table(
        summaries.name_stages(made.variability()), summaries.name_stages(made.norms())
    ).set_index("arm")
    assert table["cv"].to_dict() == {
        "before": 2.5, "after as long without AVA": 2.5, "after cv": 5.0
    }  # fmt: skip
    assert table.loc["after cv", ["norm_scale", "norm_shift"]].tolist() == [3.0, 0.5]
    text = summaries.variability_answer(table.reset_index())
    assert "cv: median cv × **2.00**, interaction × **2.00**, norm scales × 3.00" in text


def test_one_arm_can_not_be_compared():
    units = summaries.name_stages(made.variability().query("ava == 'none'"))
    norms = summaries.name_stages(made.norms().query("ava == 'none'"))
    text = summaries.variability_answer(summaries.variability_table(units, norms))
    assert "nothing can be compared" in text


# ------------------------------------------------------------------ what is kept
def test_keep_table_by_hand():
    table = summaries.keep_table(made.units())
    assert len(table) == 2 * 2 * 3
    row = table.set_index(["arm", "branch", "axis"]).loc["AVA cv + AAP", "layer2", "frames"]
    assert row[["keep_rate", "keep_sd", "decision"]].tolist() == pytest.approx([0.4, 0.1, 0.4])
    text = summaries.keep_answer(table)
    assert "AAP keeps, averaged over branches, frames 50 %, channels 75 %, features 100 %" in text
    assert "most is dropped of the frames of layer1 (40 % kept)" in text


# ------------------------------------------------------------------ adaptivity
@pytest.fixture(scope="module")
def adaptivity():
    return summaries.adaptivity_table(made.aap(), made.branches(), made.units(), made.places())


def test_adaptivity_table_by_hand(adaptivity):
    table = adaptivity.set_index("arm")
    row = table.loc["AVA cv + AAP"]
    losses = [row[f"{plans}_loss"] for plans in ("shuffled", "majority", "random")]
    assert losses == pytest.approx([0.5, 0.3, 0.6])
    assert (row["R"], row["R_5"], row["R_95"]) == pytest.approx((0.5, 0.41, 0.59))
    assert row["clips"] == 10
    assert row["decision"] == pytest.approx(0.4)
    assert row["frames_recall"] == 0.75
    assert (row["features_recall"], row["features_kept"]) == (1.0, 0.5)
    assert table.loc["AAP", "largest_branch"] == pytest.approx(1.0)
    assert row["largest_branch"] == pytest.approx(0.5)
    assert row["difficulty"] > 0.9  # R rises with the stratum


def branch_table(*ratios, shares=None):
    shares = shares or [0.5] * len(ratios)
    return pd.concat(
        [
            pd.DataFrame({"path": [f"{i}" for i in range(len(r))], "branch": f"b{b}", "seed": 0,
                          "mac_ratio": r, "dense_share": share, "ava": "none"})
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
    assert summaries._largest_branch(table) == pytest.approx(expected, nan_ok=True)


def test_seeds_of_a_clip_are_rows_of_their_own():
    one = branch_table([0, 1, 0, 1], [0.3] * 4)
    other = branch_table([0.3] * 4, [0, 1, 0, 1]).assign(seed=1)
    assert summaries._largest_branch(pd.concat([one, other])) == pytest.approx(0.5)


@pytest.mark.parametrize("columns", [["difficulty"], []])
def test_difficulty_is_empty_where_the_set_has_none(columns):
    clips = made.aap().drop(columns=columns)
    if not columns:
        clips["difficulty"] = np.nan  # another set's column, read back empty
    table = summaries.adaptivity_table(clips, made.branches(), made.units(), made.places())
    assert table["difficulty"].isna().all()


def test_difficulty_by_hand():
    """Spearman's correlation of (0, 1, 2) with R, here in opposite order."""
    clips = made.clip_rows(3, clips=3, mac_ratio=[0.9, 0.5, 0.1], plans="controller")
    assert clips["difficulty"].tolist() == ["easy", "medium", "hard"]
    assert summaries._difficulty(clips) == pytest.approx(-1)
    assert math.isnan(summaries._difficulty(clips.assign(mac_ratio=0.5)))  # R does not vary


def test_without_truth_there_is_no_localisation():
    table = summaries.adaptivity_table(
        made.aap(), made.branches(), made.units(), made.places().iloc[:0]
    )
    assert not [name for name in table if name.endswith("_recall")]
    assert "action" not in summaries.adaptivity_answer(table)


def test_the_answer_says_whether_plans_are_worth_more_to_their_own_clip(adaptivity):
    text = summaries.adaptivity_answer(adaptivity)
    assert "AVA cv + AAP: plans **are** worth more" in text
    assert "Another clip's plan costs 50.0 points [" in text
    assert "one plan for all 30.0, a random one 60.0" in text
    assert "100 % of the action's tiles are kept where 50 % of all are" in text
    same = made.aap().assign(correct=1)  # whatever plan is run
    table = summaries.adaptivity_table(same, made.branches(), made.units(), made.places())
    assert "plans **are not shown to be** worth more" in summaries.adaptivity_answer(table)


def test_plans_table():
    table = summaries.plans_table(made.aap()).set_index(["arm", "plans"])
    assert len(table) == 8
    assert table.loc[("AAP", "majority"), "accuracy"] == 0.7
    assert table.loc[("AVA cv + AAP", "controller"), "mac_ratio"] == pytest.approx(0.5)


# ------------------------------------------------------------------ claims
def test_stage_times(monkeypatch):
    histories = {
        "01_dense": [("dense", "dense", 2.0), ("dense", "dense", 3.0), ("dense", "retrain", 1.0)],
        "02_ava": [("cv", "ava cv", 4.0)],
        "03_aap": [("cv", "controller", 5.0), ("cv", "joint", 6.0), ("cv", "joint", 7.0)],
    }

    def read(results, notebook, table, **values):
        assert (results, table) == ("results/x", "history")
        assert values["seed"] == [0]
        assert ("ava" in values) == (notebook != "01_dense")
        return pd.DataFrame(histories[notebook], columns=["arm", "stage", "seconds"])

    monkeypatch.setattr(summaries.study, "read", read)
    times = summaries.stage_times("results/x", [0], ["own"], ["cv"])
    assert times.to_numpy().tolist() == [
        ["01_dense", "dense", "dense", 2, 5.0],
        ["01_dense", "dense", "retrain", 1, 1.0],
        ["02_ava", "cv", "ava cv", 1, 4.0],
        ["03_aap", "cv", "controller", 1, 5.0],
        ["03_aap", "cv", "joint", 2, 13.0],
    ]


def test_claims_answer():
    verdicts = pd.DataFrame({"verdict": ["partly", "not tested", "partly"]})
    text = summaries.claims_answer(verdicts, 1, "the abstract")
    assert text.startswith("Of 3 claims (the abstract): **2 partly, 1 not tested**.")
    assert "indication only" in text
    assert "indication" not in summaries.claims_answer(verdicts, 3, "the abstract")
