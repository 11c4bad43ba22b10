"""The table of accuracy against MACs by hand, and what is computed from it."""

import pandas as pd
import pytest

from dance_lib.analysis.accuracy import (
    accuracy_answer,
    accuracy_table,
    percentiles,
    styled,
    styled_baselines,
)
from tests.analysis import made


def table_of(shift=0.0, rivals=None):
    return accuracy_table(
        made.dense(), made.amplified(), made.arms(shift),
        made.rivals() if rivals is None else rivals, made.units(),
        budgets=made.BUDGETS, titles=made.TITLES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def accuracy():
    return table_of()


def test_accuracy_table_by_hand(accuracy):
    table = accuracy.set_index("name")
    assert table["accuracy"].to_dict() == {
        "dense": 1.0,
        "dense, where every arm starts": 0.7,
        "AVA cv, before pruning": 0.6,
        "AAP": 0.8,
        "AAP, one plan for all": 0.7,
        "AVA cv + AAP": 0.9,
        "AVA cv + AAP, one plan for all": 0.6,
        "static": 0.5,
    }
    assert set(table["clips"]) == {10}
    assert table["group"].tolist() == [
        "reference", "unfinished", "unfinished", "arm", "one plan for all", "arm",
        "one plan for all", "rival",
    ]  # fmt: skip
    pruned = table.loc["AVA cv + AAP"]
    assert pruned["mac_ratio"] == pytest.approx(0.5)
    assert pruned["byte_ratio"] == pytest.approx(0.6)
    assert pruned["against_dense"] == pytest.approx(-0.1)
    assert pruned["shuffled_loss"] == pytest.approx(0.5)
    assert (pruned["R_5"], pruned["R_95"]) == pytest.approx((0.41, 0.59))
    kept = [pruned[f"kept_{axis}"] for axis in ("frames", "channels", "features")]
    assert kept == pytest.approx([0.4, 0.65, 0.9])
    assert table.loc["static", "against_dense"] == pytest.approx(-0.5)
    assert table.loc["dense", ["mac_ratio", "byte_ratio"]].tolist() == [1, 1]
    assert table.loc["dense", ["against_dense", "on_budget", "R_5"]].isna().all()
    assert set(accuracy["kind"]) == {"measured"}


def test_counted_zeros_are_no_rival_at_equal_macs():
    rivals = made.rivals().assign(byte_ratio=float("nan"))  # as where MACs are those of zeros
    table = table_of(rivals=rivals)
    assert table["group"].tolist()[-1] == "zeros counted"
    assert "of the MACs that ReLU's own zeros leave, counted" in accuracy_answer(table)
    alone = table_of()
    assert alone.set_index("name").loc["AAP, one plan for all", "against_dense"] == pytest.approx(
        -0.3
    )


def test_without_rivals_there_are_none():
    assert "rival" not in set(table_of(rivals=pd.DataFrame())["group"])


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.0, True), (0.019, True), (0.021, False), (-0.019, True),
                            (-0.021, False)]
)  # fmt: skip
def test_a_mean_r_over_two_hundredths_off_is_marked(shift, expected):
    table = table_of(shift, pd.DataFrame()).set_index("name")
    assert table.loc[["AAP", "AVA cv + AAP"], "on_budget"].tolist() == [expected] * 2
    text = accuracy_answer(table.reset_index())
    assert ("misses its budget" in text) is not expected


def test_the_answer_says_what_the_table_says(accuracy):
    text = accuracy_answer(accuracy)
    assert "The dense network is right on **100.0 %** of 10 test clips." in text
    assert (
        "- AVA cv + AAP: **90.0 %** with **50 %** of the MACs, -10.0 points against dense" in text
    )
    assert "another clip's plan would cost 50.0 points" in text
    assert "- static: **50.0 %**" in text
    assert "starts" not in text


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_table_reads_the_same_from_its_file(tmp_path, shift):
    table = table_of(shift)
    shown = styled(table).data
    again = styled(made.reread(table, tmp_path / "table.csv")).data
    pd.testing.assert_frame_equal(shown, again)
    by_name = again.set_index("network")
    assert by_name.loc["AAP", "on budget"] == ("no" if shift else "yes")
    assert by_name.loc["dense", "on budget"] == ""
    assert by_name.loc["dense", "accuracy, %"] == "100.0 [100.0, 100.0]"
    assert by_name.loc["AAP", "frames kept, %"] == "50.0"
    assert by_name.loc["dense", "against dense, points"] == ""
    assert by_name.loc["AAP", "against dense, points"].startswith("-20.0 [")
    assert by_name.loc["AAP", "shuffled plans lose, points"] == "20.0"
    assert by_name.loc["static", "frames kept, %"] == ""


def test_baselines_say_what_they_are_told_by():
    rows = [("size_only", 0.1, 20, 0), ("size_only", 0.2, 20, 1), ("single_frame", 0.5, 20, 0)]
    columns = ["baseline", "accuracy", "clips", "seed"]
    shown = styled_baselines(pd.DataFrame(rows, columns=columns)).data
    assert shown.iloc[0].tolist() == ["width, height and length of the video alone", "15.0", 20, 2]
    assert shown.iloc[1].tolist() == ["one frame alone", "50.0", 20, 1]


def test_what_does_not_look_has_no_spread():
    own = pd.DataFrame({"seed": [0, 0, 1, 1], "mac_ratio": [0.4, 0.4, 0.6, 0.6]})
    assert percentiles(own) == {"R_5": 0.5, "R_95": 0.5}
