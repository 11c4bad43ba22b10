"""Small networks and clips to explore; whatever a panel has frozen thaws."""

import gc

import matplotlib
import pytest

matplotlib.use("Agg")

from tests.explorer import made
from tests.threads import one_thread  # noqa: F401


@pytest.fixture(scope="session")
def networks():
    return made.networks()


@pytest.fixture(scope="session")
def clips():
    return made.clips()


@pytest.fixture
def _thawed():
    yield
    gc.unfreeze()
