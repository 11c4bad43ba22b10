"""Tables as a reader sees them: one cell for an interval, and nothing but text."""

import pandas as pd
import pytest

from dance_lib.analysis import reading

ROWS = pd.DataFrame(
    {
        "arm": ["AAP", "static"],
        "accuracy": [0.5, 0.25],
        "low": [0.25, 0.125],
        "high": [0.75, 0.5],
        "lost_by_it": [0.125, None],
        "lost_by_it_low": [0.0625, None],
        "lost_by_it_high": [0.25, None],
        "clips": [36, 36],
        "kind": ["measured", "measured"],
    }
)


def test_intervals_stand_in_one_cell_and_names_are_words():
    read = reading.table(ROWS, digits=2).data
    assert list(read) == ["arm", "accuracy", "lost by it", "clips"]
    assert read["accuracy"].tolist() == ["0.50 [0.25, 0.75]", "0.25 [0.12, 0.50]"]
    assert read["lost by it"].tolist()[0] == "0.12 [0.06, 0.25]"


def test_a_missing_value_is_told_as_asked():
    html = reading.table(ROWS, empty="not tested").to_html()
    assert html.count(">not tested<") == 1
    assert ">36<" in html
    assert "nan" not in reading.table(pd.DataFrame({"p": [0.5, None]})).to_html()


@pytest.mark.parametrize("bound", [float("nan"), None])
def test_a_mean_without_an_interval_stands_alone(bound):
    """As that of a single clip, which leaves a bootstrap no choice."""
    rows = pd.DataFrame({"x": [1.0, 2.0], "x_low": [bound, 1.5], "x_high": [bound, 2.5]})
    assert reading.table(rows, digits=1).data["x"].tolist() == ["1.0", "2.0 [1.5, 2.5]"]


def test_what_belongs_to_no_mean_stays():
    rows = pd.DataFrame({"energy": [1.0], "power_low": [2.0], "power_high": [3.0]})
    assert list(reading.table(rows).data) == ["energy", "power low", "power high"]


def test_wide_tables_are_turned_with_whole_numbers_left_whole():
    read = reading.table(ROWS, digits=2, across="arm").data
    assert read.to_dict("list") == {
        "arm": ["accuracy", "lost by it", "clips"],
        "AAP": ["0.50 [0.25, 0.75]", "0.12 [0.06, 0.25]", "36"],
        "static": ["0.25 [0.12, 0.50]", "", "36"],
    }


@pytest.mark.parametrize("turned", [{}, {"across": "arm"}])
def test_html_in_a_label_is_text(turned):
    bad = '<img src="x" onerror="alert(1)">'
    rows = pd.DataFrame({"arm": [bad], bad: [bad]})
    html = reading.table(rows, **turned).to_html()
    assert "<img" not in html
    assert html.count("&lt;img") >= 2


def test_no_probability_is_shown_as_zero():
    read = reading.table(pd.DataFrame({"p": [0.0002, 0.04], "loss_p": [0.0, None]}), digits=2)
    assert read.data["p"].tolist() == ["< 0.01", 0.04]
    assert read.data["loss p"].iloc[0] == "< 0.01"
    assert "&lt; 0.01" in read.to_html()
