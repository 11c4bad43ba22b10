"""Triton's interpreter in the place of a GPU. Memory nobody has written to holds NaN, or a large
number: who reads it is found out."""

import os
from importlib.util import find_spec

import pytest
import torch

from tests.threads import one_thread  # noqa: F401

os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
if find_spec("triton") is None:  # the extra `cuda`, for Linux alone
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    empty = torch.empty

    def poison(*size, **options):
        made = empty(*size, **options)
        return made.fill_(float("nan") if made.is_floating_point() else 1 << 20)

    monkeypatch.setattr(torch, "empty", poison)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of a few rows and channels, so that small networks need several; called with a number,
    as many programs share each."""
    import triton

    from dance_lib.executors.cuda import convolution, kernels

    def small(split):
        config = triton.Config({"M": 32, "N": 16, "K": 16, "SPLIT": split})
        monkeypatch.setattr(kernels.convolve, "configs", [config])
        monkeypatch.setattr(convolution, "CONFIGS", [config])

    small(1)
    return small
