"""The network and clips that training and rivals are tested on."""

import pytest

from tests.train.small import make_clips, make_net


@pytest.fixture
def net():
    """`TwoBlocks`; it may be trained on."""
    return make_net()


@pytest.fixture(scope="session")
def clips():
    return make_clips()
