"""Figures of tests are drawn in the study's style, drawn indeed, and labelled."""

import io
import re

import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Text

from dance_lib.analysis import figures

SAMPLE = re.compile(r"\d (test|held-out) clips|\d (rounds|loops|seeds|runs)\b|one seed")


@pytest.fixture(autouse=True)
def study_style():
    with plt.rc_context():
        figures.set_style()
        yield


def drawn(figure):
    """Draw it, since much only happens then; its axes are labelled, its sample size is told."""
    file = io.BytesIO()
    figure.savefig(file, dpi=40, bbox_inches="tight")
    assert file.tell() > 1000
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert SAMPLE.search(" ".join(text.get_text() for text in figure.findobj(Text)))
    return figure
