"""Figures of notebooks, shown with what they show in words: for readers who can't see them."""

import io
import re
from typing import TYPE_CHECKING

from IPython.display import Image, display

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMES = 6  # of ticks that are all told
NUMBER = re.compile(r"[-−+]?[\d.,]+ ?[%×]?|\$.*\$")


def show(figure: "Figure") -> None:
    """Show a figure below its cell, its description in the output's metadata; then close it.

    Pages and exports read the description there (`alt` of the image).
    """
    import matplotlib.pyplot as plt

    png = io.BytesIO()
    figure.savefig(png, format="png", dpi="figure", bbox_inches="tight")
    display(Image(png.getvalue(), alt=describe(figure)))
    plt.close(figure)  # or it would be shown again at the end of the cell


def describe(figure: "Figure") -> str:
    """Return what a figure shows: titles, axes with their units, sample size, series."""
    panels = [axes for axes in figure.axes if axes.get_visible()]
    legends = [*figure.legends, *(axes.get_legend() for axes in panels)]
    series = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    heading = figure.get_suptitle()
    parts = [
        heading,
        *map(_panel, panels),
        f"Shown: {'; '.join(dict.fromkeys(series))}" if series else "",
        *(text.get_text() for text in figure.texts if text.get_text() != heading),
    ]
    sentences = (" ".join(part.split()).rstrip(".") for part in parts)
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def _panel(axes: "Axes") -> str:
    """One panel: `accuracy (%) against ideal MACs; 4,050 test clips`."""
    x, y = (
        _axis(axis.get_label_text(), [label.get_text() for label in axis.get_ticklabels()])
        for axis in (axes.xaxis, axes.yaxis)
    )
    return "; ".join(filter(None, [" against ".join(filter(None, [y, x])), axes.get_title()]))


def _axis(label: str, ticks: list[str]) -> str:
    """The label of an axis, and its ticks where these are names and no numbers."""
    names = [tick for tick in ticks if tick and not NUMBER.fullmatch(tick)]
    if len(names) > MOST_NAMES:
        names = [f"{len(names)}, from {names[0]} to {names[-1]}"]
    return " ".join(filter(None, [label, f"({'; '.join(names)})" if names else ""]))
