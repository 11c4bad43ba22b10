"""Benches of a network of a few channels on one thread; nothing here asserts a time."""

import pytest
import torch

from dance_lib.bench.setting import Setting
from dance_lib.models.narrow import r2plus1d_narrow
from dance_lib.network import Dance
from tests.networks import CLASSES, randomise
from tests.threads import one_thread  # noqa: F401

SHAPE = (3, 6, 32, 32)


@pytest.fixture
def net():
    backbone = randomise(r2plus1d_narrow(CLASSES, widths=(16, 24, 32), stem_width=8))
    return Dance(backbone, SHAPE).eval()


@pytest.fixture
def clip():
    return torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def setting():
    return Setting(
        model="r2plus1d_narrow",
        clip_shape=SHAPE,
        precision="float32",
        threads="one",
        batch=2,
        engines=("eager",),
        rounds=2,
        quick=True,
    )
