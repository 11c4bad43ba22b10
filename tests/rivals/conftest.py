"""One thread for tests of small tensors, and the network and clips that they train on."""

import pytest

from tests.threads import one_thread  # noqa: F401
from tests.train.small import make_clips, make_net


@pytest.fixture
def net():
    """`TwoBlocks`; it may be trained on."""
    return make_net()


@pytest.fixture(scope="session")
def clips():
    return make_clips()
