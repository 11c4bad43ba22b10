"""One pass over the stem's output against PyTorch's several."""

import pytest
import torch

from dance_lib.aap.statistics import sums_of as theirs
from dance_lib.executors.cuda import statistics
from dance_lib.executors.cuda.statistics import sums_of


@pytest.mark.parametrize("shape", [(2, 5, 4, 6, 7), (1, 64, 1, 9, 11), (3, 24, 2, 40, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_sums_are_those_of_the_maps(shape, dtype, monkeypatch):
    monkeypatch.setattr(statistics, "TILE", 512)  # several blocks a frame
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).relu().to(dtype)
    ours, expected = sums_of(maps), theirs(maps.float())
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(ours, name), value, rtol=1e-5, atol=1e-6)
