"""Slopes of works that are known: one linear, one square, one that grows as the root."""

import pandas as pd
import pytest

from tests.analysis.drawing import study_style  # noqa: F401
from tests.load import against_size, slopes

SIZES = [10, 100, 1000]
WORKS = {"list": [0.2, 2.0, 20.0], "compare": [0.1, 10.0, 1000.0], "sample": [1.0, 10.0**0.5, 10.0]}
TABLE = pd.DataFrame(
    {"what": what, "size": size, "cpu_s": seconds, "peak_mb": 7.0}
    for what, times in WORKS.items()
    for size, seconds in zip(SIZES, times, strict=True)
)


def test_slope_is_the_power_that_time_grows_by():
    expected = {"list": 1.0, "compare": 2.0, "sample": 0.5}
    assert slopes(TABLE).to_dict() == pytest.approx(expected, abs=1e-12)
    assert slopes(TABLE, "peak_mb").to_list() == pytest.approx([0.0] * 3, abs=1e-12)


def test_the_figure_tells_every_slope():
    figure = against_size(TABLE, "clips")
    figure.canvas.draw()
    time, memory = figure.axes
    told = [text.get_text() for text in time.get_legend().get_texts()]
    assert told == ["list, slope 1.00", "compare, slope 2.00", "sample, slope 0.50"]
    assert {line.get_ydata()[0] for line in memory.lines if len(line.get_ydata())} == {7.0}
    assert [axes.get_xlabel() for axes in figure.axes] == ["clips", "clips"]
