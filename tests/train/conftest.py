"""Training small networks: one thread each, and what every optimiser did."""

import pytest
import torch

from dance_lib.train.processes import here
from tests.threads import one_thread  # noqa: F401
from tests.train.fixtures import clips, net  # noqa: F401


@pytest.fixture(autouse=True)
def on_the_processor(request, monkeypatch):
    """Also where there is a GPU: bits are compared, and losses made by hand on the CPU."""
    if not request.node.get_closest_marker("gpu"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here.cache_clear()
    yield
    here.cache_clear()


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
