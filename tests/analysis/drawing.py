"""Figures of tests are drawn in the study's style, and drawn indeed."""

import io

import matplotlib.pyplot as plt
import pytest

from dance_lib.analysis import figures


@pytest.fixture(autouse=True)
def study_style():
    with plt.rc_context():
        figures.set_style()
        yield


def drawn(figure):
    """Draw it, since much only happens then."""
    file = io.BytesIO()
    figure.savefig(file, dpi=40, bbox_inches="tight")
    assert file.tell() > 1000
    return figure
