"""Memory that nobody has written to yet holds NaN: who reads it is found out."""

import pytest
import torch

from dance_lib.executors.workspace import Workspace
from tests.threads import one_thread  # noqa: F401


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    take = Workspace.take

    def take_poisoned(self, rows, width, dtype):
        given = take(self, rows, width, dtype)
        whole = given.untyped_storage().nbytes() // given.dtype.itemsize
        torch.as_strided(given, (whole,), (1,), 0).fill_(float("nan"))
        return given

    monkeypatch.setattr(Workspace, "take", take_poisoned)
