"""Training small networks: one thread each, and what every optimiser did."""

import pytest
import torch

from tests.threads import one_thread  # noqa: F401
from tests.train.fixtures import clips, net  # noqa: F401


@pytest.fixture
def rates_used(monkeypatch):
    """The learning rates of every optimiser step, a list of one a group of parameters."""
    used = []
    step = torch.optim.AdamW.step

    def recorded(self, *args, **kwargs):
        used.append([group["lr"] for group in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    return used
