"""What the controller's statistics are made of, in one pass over rows."""

import dataclasses

import pytest
import torch

from dance_lib.aap.statistics import sums_of
from dance_lib.executors.rows import Rows
from tests.executors.agreement import KERNELS, kernels

SHAPES = [(1, 1, 1, 1), (5, 1, 3, 4), (16, 3, 7, 5), (17, 4, 5, 3), (31, 2, 6, 7), (45, 5, 9, 9)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_are_those_of_the_map(shape, kind, threads):
    torch.set_num_threads(threads)  # the folder's fixture restores it
    k = kernels(kind)
    maps = torch.randn(1, *shape, generator=torch.Generator().manual_seed(1)).relu()
    maps = (maps * 3 + maps.gt(0) * 2).to(k.dtype)  # half of it zeros
    expected, actual = sums_of(maps.double()), k.sums(Rows.of(maps))
    for field in dataclasses.fields(expected):
        value = getattr(expected, field.name)
        given = getattr(actual, field.name)
        assert given.shape == value.shape, field.name
        assert given.dtype == torch.float32
        torch.testing.assert_close(given.double(), value, rtol=1e-5, atol=1e-6)
