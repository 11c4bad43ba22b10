"""What the computing notebooks say, from tables of ten clips."""

import pandas as pd

from dance_lib.analysis import answers
from dance_lib.train import Recipe
from tests.analysis import made
from tests.train.small import make_clips


def test_sets():
    train, test = make_clips(12), make_clips(4)
    table = answers.sets_table(train, test)
    assert table.loc["train"].tolist() == [12, 5, 0]
    assert table.loc["test"].tolist() == [4, 4, 0]


def test_dense_answer():
    base = pd.DataFrame({"baseline": ["size_only"], "accuracy": [0.125]})
    text = answers.dense_answer(made.dense(), base, Recipe(dense_epochs=7), 5)
    assert "After 7 epochs the network is right on 70.0 % of 10 test clips" in text
    assert "**100.0 % [100.0, 100.0]**" in text
    assert "size_only 12.5 %" in text
    assert "chance 20.0 %" in text
    assert "none run" in answers.dense_answer(made.dense(), base[:0], Recipe(), 5)


def test_ava_answer():
    rows = made.variability().query("ava == 'cv'")
    before, after = (rows[rows["stage"] == stage] for stage in ("before", "after"))
    clips = made.amplified().query("ava == 'cv'")
    text = answers.ava_answer("cv", before, after, clips)
    assert "over 4 units and 270 held-out clips" in text
    assert text.count("**2.00**") == 2
    assert "right on 60.0 % [" in text
    few = answers.ava_answer("cv", before, after.assign(interaction=float("nan")), clips)
    assert "tiles by **not tested**, of too few clips" in few


def test_aap_answer():
    clips = made.arms().query("arm == 'dance'")
    text = answers.aap_answer("dance", 0.5, clips)
    assert "right on **90.0 % [" in text
    assert "mean R of **0.500**, " in text
    assert "0.41 to 0.59" in text  # percentiles of ten values from 0.4 to 0.6
    assert "Shuffled plans lose 50.0 points [" in text
    assert "misses the budget" in answers.aap_answer("dance", 0.45, clips)


def test_rival_answer():
    text = answers.rival_answer("static", 0.5, made.rivals())
    assert "right on **50.0 % [" in text
    assert "at **0.500** of the MACs." in text
    assert "misses the budget" in answers.rival_answer("static", 0.4, made.rivals())
