"""Clips on their way into a network, against PyTorch's own normalising and convolution."""

import numpy as np
import pytest
import torch
from torch import fx, nn

from dance_lib.executors.cuda.entry import Entry
from dance_lib.executors.cuda.graph import aligned
from tests.executors.test_kernels import random_window

SCALE, SHIFT = torch.tensor([[2.0], [0.5], [3.0]]), torch.tensor([[-1.0], [0.25], [0.1]])


def entered(network, clip):
    """What the entry and the rest of a stem make of clips, and what the network itself does."""
    scale, shift = (v.reshape(1, 3, 1, 1, 1)[:, : clip.shape[1]] for v in (SCALE, SHIFT))
    stem = fx.symbolic_trace(network)
    entry = Entry(stem, clip.shape[1:], scale, shift, torch.float32)
    maps, finite = entry(clip)
    with torch.no_grad():
        return entry, aligned(stem)(maps), network(clip * scale + shift), bool(finite)


@pytest.mark.parametrize("seed", range(20))
def test_random_first_convolutions(seed):
    rng = np.random.default_rng(seed)
    size = tuple(int(n) for n in rng.integers(1, 12, 3))
    window = random_window(rng, size)
    colours = int(rng.integers(1, 4))
    conv = nn.Conv3d(colours, 9, window.kernel, window.stride, window.padding, window.dilation,
                     bias=bool(rng.random() < 0.5))  # fmt: skip
    clip = torch.from_numpy(rng.random((2, colours, *size), dtype=np.float32))
    _, ours, theirs, finite = entered(nn.Sequential(conv, nn.ReLU(), nn.Conv3d(9, 5, 1)), clip)
    assert finite
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("conv", "channels", "size"),
    [
        # 7 at stride 2 and padding 3: four blocks, two of them before the first pixel.
        (nn.Conv3d(3, 8, (1, 7, 7), (1, 2, 2), (0, 3, 3)), 12, (9, 9)),
        (nn.Conv3d(3, 8, 3, 1, 1), 3, (14, 14)),  # the border alone
        (nn.Conv3d(3, 8, (1, 5, 5), (1, 5, 5)), 3, (12, 12)),  # it never reads the last pixels
        (nn.Conv3d(3, 8, (1, 3, 3), (1, 2, 2), dilation=(1, 2, 2)), 3, (12, 12)),
    ],
    ids=["seven", "stride one", "pixels left out", "dilated"],
)
def test_what_becomes_of_the_map(conv, channels, size):
    entry, ours, theirs, _ = entered(nn.Sequential(conv), torch.rand(1, 3, 2, 12, 12))
    maps, _ = entry(torch.rand(1, 3, 2, 12, 12))
    assert (maps.shape[1], maps.shape[3:]) == (channels, size)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


class Twice(nn.Module):
    """A stem that reads its clip in two ways, so that the clip must stay as it is."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 3, 3, (1, 2, 2), 1)

    def forward(self, clip):
        return self.conv(clip) + clip[..., ::2, ::2]


def test_a_clip_that_is_read_twice_stays_as_it_is():
    entry, ours, theirs, _ = entered(Twice(), torch.rand(2, 3, 2, 6, 6))
    assert entry(torch.rand(2, 3, 2, 6, 6))[0].shape == (2, 3, 2, 6, 6)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("at", [(0, 0, 0, 0, 0), (1, 2, 1, 7, 6)])
def test_one_bad_pixel_is_seen(value, at):
    clip = torch.rand(2, 3, 2, 8, 7)
    conv = nn.Conv3d(3, 8, (1, 3, 3), (1, 2, 2))  # its last row starts in the last but one
    assert entered(conv_alone(conv), clip)[3]
    clip[at] = value
    assert not entered(conv_alone(conv), clip)[3]


def conv_alone(conv):
    return nn.Sequential(conv)
