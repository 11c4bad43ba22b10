"""What a figure shows, in words, and that these go with it into the notebook."""

import base64

import matplotlib.pyplot as plt
import pytest

from dance_lib.study import figure as figures


@pytest.fixture
def two_panels():
    """Bars by name and points by number, with a legend, a heading and a line below."""
    figure, (left, right) = plt.subplots(1, 2)
    left.bar(["dense", "AAP"], [1, 0.5])
    left.set(xlabel="network", ylabel="MACs,\nshare", title="36 test clips")
    right.plot([1, 2], [3, 4], label="one core")
    right.plot([1, 2], [4, 5], label="two cores")
    right.set(xlabel="batch", ylabel="time (ms)", xscale="log")
    right.legend()
    figure.suptitle("A made figure")
    figure.text(0.5, 0, "measured on a processor")
    yield figure
    plt.close(figure)


def test_a_figure_is_told_by_titles_axes_names_and_series(two_panels):
    assert figures.describe(two_panels) == (
        "A made figure. MACs, share against network (dense; AAP); 36 test clips. "
        "time (ms) against batch. Shown: one core; two cores. measured on a processor."
    )


def test_of_many_names_the_first_and_the_last_are_told(two_panels):
    two_panels.axes[0].set_xticks(range(9), [f"unit {i}." for i in range(9)])
    assert "against network (9, from unit 0. to unit 8.)" in figures.describe(two_panels)


def test_an_empty_figure_has_nothing_to_tell():
    assert figures.describe(plt.figure()) == ""
    plt.close()


def test_a_shown_figure_carries_its_description_and_is_closed(two_panels, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", shown.append)
    figures.show(two_panels)
    data, metadata = shown[0]._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"].startswith("A made figure. MACs, share against")
    assert not plt.fignum_exists(two_panels.number)
