"""Every figure is drawn from tables as the notebooks have them; a warning is an error."""

import numpy as np
import pytest

from dance_lib.analysis import adaptivity, amplified, figures
from tests.analysis import made
from tests.analysis.drawing import drawn, study_style  # noqa: F401


def heights(axes):
    return [[round(bar.get_height(), 6) for bar in group] for group in axes.containers
            if hasattr(group, "patches")]  # fmt: skip


def labels(figure):
    """Entries of all legends, of the axes and of the figure."""
    legends = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


@pytest.mark.parametrize("measure", ["cv", "interaction"])
def test_variability_by_unit(measure):
    named = amplified.name_stages(made.variability())
    figure = drawn(figures.variability_by_unit(named, measure, "how much", 270))
    (axes,) = figure.axes
    assert set(labels(figure)) == set(named["arm"])
    assert axes.get_ylabel() == "how much"
    assert axes.get_title() == "270 held-out clips, one seed"
    assert [t.get_text() for t in axes.get_xticklabels()] == list(made.UNITS)
    curves = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata()) == 4]
    assert sorted(curves) == [[1, 2, 3, 4], [1, 2, 3, 4], [2, 4, 6, 8]]


def test_magnitude_distributions():
    named = amplified.name_stages(made.magnitudes())
    shown = [made.UNITS[0], made.UNITS[2]]
    figure = drawn(figures.magnitude_distributions(named, shown, 270))
    assert [axes.get_title() for axes in figure.axes] == shown
    assert figure.get_suptitle() == "270 held-out clips, one seed"
    assert set(labels(figure)) == set(named["arm"])
    curves = [line for line in figure.axes[0].lines if len(line.get_xydata())]
    assert len(curves) == 3
    for line in curves:
        assert line.get_xydata().tolist() == [[-1.5, 0.2], [-0.5, 0.5], [0.5, 0.3]]


def test_keep_rates():
    units = made.units()
    figure = drawn(figures.keep_rates(units[units["arm"] == "aap"], 10, "AAP"))
    top, bottom = figure.axes
    assert heights(top) == [[50.0] * 4, [75.0] * 4, [100.0] * 4]
    bars = [segment[:, 1] for lines in top.collections for segment in lines.get_segments()]
    ends = [40, 60] * 4 + [65, 85] * 4 + [90, 100] * 4
    assert np.concatenate(bars).tolist() == pytest.approx(ends)
    assert top.get_title() == "AAP: 10 test clips, one seed"
    assert heights(bottom) == [[20.0] * 4, [10.0] * 4]  # dense share, and its ideal half
    assert [t.get_text() for t in bottom.get_xticklabels()] == list(made.UNITS)


def test_ratio_distribution():
    clips = made.arms()
    own = clips[clips["plans"] == "controller"]
    own = own.assign(arm=own["arm"].map(made.TITLES))
    figure = drawn(figures.ratio_distribution(own, 0.5))
    (axes,) = figure.axes
    assert labels(figure) == ["AAP", "AVA cv + AAP"]
    assert any(set(line.get_xdata()) == {0.5} for line in axes.lines)  # the budget
    assert axes.get_title() == "10 test clips, one seed"


def test_plans_compared():
    figure = drawn(figures.plans_compared(adaptivity.plans_table(made.arms(), made.TITLES)))
    assert heights(figure.axes[0]) == [[80, 90], [60, 40], [10, 20], [70, 60], [50, 30]]
    assert labels(figure) == ["controller", "shuffled", "inverted", "majority", "random"]
    assert figure.axes[0].get_title() == "10 test clips, one seed"


def test_plans_compared_where_a_group_leaves_no_interval():
    table = adaptivity.plans_table(made.arms().assign(group="one"), made.TITLES)
    assert table["low"].isna().any()
    drawn(figures.plans_compared(table))


def test_localisation_bars():
    places = made.places()
    own = places[places["arm"] == "dance"].assign(arm="AVA cv + AAP")
    figure = drawn(figures.localisation_bars(own))
    assert [axes.get_title() for axes in figure.axes] == ["frames", "features"]
    assert heights(figure.axes[0])[:2] == [[0.75, 0.75], [0.5, 0.5]]
    assert heights(figure.axes[1])[:2] == [[1.0, 1.0], [0.5, 0.5]]
    what = ["AVA cv + AAP:\nof the action", "AVA cv + AAP:\nof everything"]
    assert labels(figure) == what
    assert figure.get_suptitle() == "10 test clips with an action, one seed"


def test_one_arm_of_one_clip_can_be_drawn():
    """The smallest study: no spread, no second arm."""
    clips = made.arms().query("arm == 'aap' and path == '00.mp4'")
    drawn(figures.ratio_distribution(clips, 0.5))
    drawn(figures.plans_compared(adaptivity.plans_table(clips, made.TITLES)))
