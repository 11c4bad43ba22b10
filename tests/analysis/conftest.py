"""Tables and plans of a tiny network; figures are drawn without a screen and closed."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from tests.threads import one_thread  # noqa: F401
from tests.train.small import make_clips, make_net


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def net():
    """In evaluation; nobody may train it."""
    return make_net().eval()


@pytest.fixture(scope="session")
def clips():
    return make_clips()
