"""What is kept where, and what each axis is worth, by hand."""

import pytest

from dance_lib.analysis import kept
from tests.analysis import made


def test_keep_table_by_hand():
    table = kept.keep_table(made.units(), made.TITLES)
    assert len(table) == 2 * 2 * 3
    row = table.set_index(["arm", "branch", "axis"]).loc["AVA cv + AAP", "layer2", "frames"]
    assert row[["keep_rate", "keep_sd", "decision"]].tolist() == pytest.approx([0.4, 0.1, 0.4])
    text = kept.keep_answer(table)
    assert "AAP keeps, averaged over branches, frames 50 %, channels 75 %, features 100 %" in text
    assert "most is dropped of the frames of layer1 (40 % kept)" in text


def test_axes_table_by_hand():
    axes = {"aap": ["frames", "channels", "features"], "dance": ["frames"]}
    table = kept.axes_table(made.arms(), made.shares(), made.dense(), axes, made.TITLES)
    assert table["arm"].tolist() == ["AVA cv + AAP", "AAP"]  # by number of axes
    row = table.set_index("arm").loc["AAP"]
    assert row["accuracy"] == 0.8
    assert row["against_dense"] == pytest.approx(-0.2)
    assert row["shuffled_loss"] == pytest.approx(0.2)
    saved = [row[f"saved_{axis}"] for axis in ("frames", "channels", "features")]
    assert saved == pytest.approx([0.2, 0.2, 0.6])
    text = kept.axes_answer(table)
    assert "Best against dense of its own seeds is **AVA cv + AAP**: -10.0 points [" in text
    assert "do not tell it from AAP -20.0 points [" in text
    far = table.assign(mac_ratio=[0.6, 0.5])  # not at equal MACs
    assert "seeds is **AAP**: -20.0 points" in kept.axes_answer(far)
    assert "do not tell" not in kept.axes_answer(far)
    assert "(AAP), they make these shares of the savings: frames 20 %, channels 20 %, feat" in text
