"""The figures of the evidence, drawn from tables as the notebooks have them."""

import pytest

from dance_lib.analysis import accuracy, adaptivity, evidence_figures, kept, sources
from tests.analysis import made
from tests.analysis.drawing import drawn, study_style  # noqa: F401


def test_tradeoff():
    table = accuracy.accuracy_table(
        made.dense(), made.amplified(), made.arms(), made.rivals(), made.units(),
        budgets=made.BUDGETS, titles=made.TITLES,
    )  # fmt: skip
    lines = {"ours": ["aap", "dance"], "static": ["static"], "never run": ["frames"]}
    figure = drawn(evidence_figures.tradeoff(table, lines))
    axes, near = figure.axes
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["ours"]  # others are named beside it
    ours, static = (c.lines[0].get_xydata().tolist() for c in axes.containers)
    assert sorted(ours) == [pytest.approx([0.5, 80.0]), pytest.approx([0.5, 90.0])]
    assert static == [[0.5, 50.0]]
    assert axes.get_title() == "10 test clips, one seed"
    names = [t.get_text() for t in near.get_yticklabels()]
    assert names == ["static, one seed", "AAP, one seed", "AVA cv + AAP, one seed"]  # best on top
    assert [c.lines[0].get_xydata().tolist() for c in near.containers] == [
        [pytest.approx([-50.0, 0.0])], [pytest.approx([-20.0, 1.0])], [pytest.approx([-10.0, 2.0])]
    ]  # fmt: skip
    assert near.get_title() == "at 0.5 of the MACs"
    ticks = [t.get_text() for t in near.get_xticklabels()]
    assert ticks[:6] == ["-50", "-20", "-5", "-2", "-1", "0"]
    assert [text.get_text() for text in axes.texts] == ["dense"]


def test_tradeoff_names_what_misses_its_budget_and_does_not_draw_it():
    table = accuracy.accuracy_table(
        made.dense(), made.amplified(), made.arms(), made.rivals(), made.units(),
        budgets=made.BUDGETS | {"static": 0.4}, titles=made.TITLES,
    )  # fmt: skip
    figure = drawn(evidence_figures.tradeoff(table, {"ours": ["aap"], "static": ["static"]}))
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["AAP, one seed"]
    assert figure.axes[0].texts[-1].get_text() == "off their budget, not drawn:\nstatic"


def test_axis_savings():
    axes = {"aap": ["frames", "channels", "features"]}
    table = kept.axes_table(made.arms(), made.shares(), made.dense(), axes, made.TITLES)
    (panel,) = drawn(evidence_figures.axis_savings(table)).axes
    widths = [round(bar.get_width(), 6) for group in panel.containers for bar in group]
    assert widths == [10.0, 10.0, 30.0]  # of the half that is saved
    assert [t.get_text() for t in panel.get_yticklabels()] == ["AAP: 80.0 %"]
    assert panel.get_title() == "accuracy and savings, 10 test clips, one seed"


def test_ratios_by_stratum():
    strata = adaptivity.strata_table(made.arms(), made.TITLES)
    figure = drawn(evidence_figures.ratios_by_stratum(strata))
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["easy", "medium", "hard"]
    assert figure.get_suptitle() == "10 test clips, one seed"


def test_accuracy_by_source():
    table = sources.sources_table(
        made.arms(), {"aap": "stem", "dance": "pixels"}, "aap", made.TITLES
    )
    (panel,) = drawn(evidence_figures.accuracy_by_source(table)).axes
    assert [t.get_text() for t in panel.get_yticklabels()] == [
        "AAP (R 0.50), one seed", "AVA cv + AAP (R 0.50), one seed"
    ]  # fmt: skip
    assert panel.get_xlabel().startswith("accuracy against AAP (points)")
    points = [bar.lines[0].get_xdata().tolist() for bar in panel.containers]
    assert points == [pytest.approx([0, 10])]
    assert panel.get_title() == "10 test clips"
