"""Units other than a convolution with a norm and a ReLU: activations, norms, groups, sizes."""

import pytest
import torch
from torch import nn

from tests.executors.networks import Net, Residual, check, conv
from tests.networks import Gated, Strided, TwoBlocks


class Shift(nn.Module):
    """Moves an eighth of the channels to the next frame and an eighth back (TSM); no parameters."""

    def __init__(self, parts=8):
        super().__init__()
        self.parts = parts

    def forward(self, x):
        n = x.shape[1] // self.parts
        moved = [x[:, :n].roll(1, 2), x[:, n : 2 * n].roll(-1, 2), x[:, 2 * n :]]
        return torch.cat(moved, 1)


def relu_first(*norms):
    """Activation before the norm, which then gives dropped positions a value of their own."""
    return Net(Residual(conv(8, 9), nn.ReLU(), norms[0](9), conv(9, 8), nn.Sigmoid(), norms[1](8)))


def pooled(pool, act):
    return Net(conv(8, 9), act, pool, conv(9, 8), nn.BatchNorm3d(8))


UNITS = {
    "instance norm": lambda: Net(
        Residual(conv(8, 9), nn.InstanceNorm3d(9, affine=True), nn.ReLU(), conv(9, 8))
    ),
    "group norm behind the sum's unit": lambda: Net(
        Residual(conv(8, 9), nn.ReLU(), conv(9, 8), nn.GroupNorm(2, 8))
    ),
    "layer norm": lambda: Net(Residual(conv(8, 9), nn.LayerNorm((9, 3, 7, 9)), conv(9, 8))),
    "depthwise and instance norm": lambda: Net(
        Residual(conv(8, 9), nn.ReLU(), conv(9, 9, groups=9), nn.InstanceNorm3d(9), conv(9, 8))
    ),
    "relu before batch norm": lambda: relu_first(nn.BatchNorm3d, nn.BatchNorm3d),
    "relu before instance norm": lambda: relu_first(nn.InstanceNorm3d, nn.BatchNorm3d),
    "sigmoid": lambda: Net(Residual(conv(8, 9), nn.BatchNorm3d(9), nn.Sigmoid(), conv(9, 8))),
    "softplus, plain": lambda: Net(conv(8, 9), nn.Softplus(), conv(9, 7), nn.GELU(), conv(7, 8)),
    "in place": lambda: Net(conv(8, 9), nn.ELU(inplace=True), conv(9, 8), nn.Hardswish(True)),
    "hardtanh": lambda: Net(conv(8, 9), nn.Hardtanh(0.1, 0.5), conv(9, 8)),
    "swish, depthwise": lambda: Net(
        Residual(conv(8, 9, 1), nn.SiLU(), conv(9, 9, groups=9), nn.BatchNorm3d(9), nn.ReLU(),
                 conv(9, 8, 1)),
        Residual(conv(8, 9, 1), nn.ReLU(), conv(9, 9, groups=9), nn.SiLU(), conv(9, 8, 1)),
    ),
    "prelu": lambda: Net(Residual(conv(8, 9), nn.PReLU(), conv(9, 8), nn.BatchNorm3d(8))),
    "prelu by channel": lambda: Net(Residual(conv(8, 9), nn.PReLU(9), conv(9, 8))),
    "shift": lambda: Net(Residual(conv(8, 16), Shift(), conv(16, 8))),
    "shift of a quarter": lambda: Net(Residual(conv(8, 16), nn.ReLU(), Shift(4), conv(16, 8))),
    "shift first": lambda: Net(Residual(Shift(), conv(8, 9), nn.ReLU(), conv(9, 8))),
    "max pool": lambda: pooled(nn.MaxPool3d((1, 2, 2), ceil_mode=True), nn.LeakyReLU(0.3)),
    "overlapping max pool": lambda: pooled(nn.MaxPool3d(3, 2, 1), nn.ReLU()),
    "average pool": lambda: pooled(nn.AvgPool3d((1, 2, 2)), nn.ReLU()),
    "transposed": lambda: Net(conv(8, 9), nn.ConvTranspose3d(9, 6, 2, 2), conv(6, 8)),
    "grouped": lambda: Net(
        Residual(conv(8, 12, 1), nn.ReLU(), conv(12, 12, groups=4), nn.BatchNorm3d(12), nn.ReLU(),
                 conv(12, 8, 1)),
        Residual(conv(8, 10, 1), nn.ReLU(), conv(10, 10, groups=2), conv(10, 8, 1, groups=2)),
    ),
    "grouped at the end": lambda: Net(
        Residual(conv(12, 12, 1), nn.ReLU(), conv(12, 12, groups=4)),
        Residual(conv(12, 12, groups=4)), channels=12,
    ),
    "more outputs than groups": lambda: Net(
        Residual(conv(9, 9, 1), nn.ReLU(), conv(9, 27, groups=9), conv(27, 9, groups=3)),
        channels=9,
    ),
    "depthwise of the residual stream": lambda: Net(
        Residual(conv(9, 9, groups=9), nn.BatchNorm3d(9), nn.ReLU(), conv(9, 9, 1)),
        Residual(conv(9, 9, 1), nn.ReLU(), conv(9, 9, groups=9)), channels=9,
    ),
    "one channel": lambda: Net(Residual(conv(1, 1), nn.ReLU(), conv(1, 1)), channels=1),
    "one unit a branch": lambda: Net(Residual(conv(8, 8)), nn.ReLU6(), Residual(conv(8, 8))),
    "dropout between": lambda: Net(
        Residual(conv(8, 9), nn.BatchNorm3d(9), nn.Dropout3d(0.5), nn.ReLU(), conv(9, 8),
                 nn.Dropout(0.2)),
        nn.Dropout(0.1),
    ),
    "no norm": lambda: Net(Residual(conv(8, 9), nn.Identity(), nn.ReLU(), conv(9, 8, 1))),
    "squeeze-excite at the end": lambda: Gated(8),
    "even kernels": lambda: Net(
        nn.Conv3d(8, 7, 2), nn.ReLU(),
        nn.Conv3d(7, 8, (1, 2, 4), padding=(0, 1, 2), stride=(1, 2, 1), dilation=(1, 2, 1)),
    ),
    "more padding than kernel": lambda: Net(
        nn.Conv3d(8, 7, 1, padding=2), nn.ReLU(), nn.Conv3d(7, 8, 3, padding=4, stride=3)
    ),
    "strides in a branch": lambda: Strided(
        nn.Conv3d(8, 9, (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)), nn.ReLU(),
        nn.Conv3d(9, 10, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)), nn.ReLU(),
        nn.Conv3d(10, 8, 1, stride=(1, 2, 1)),
    ),
    "dilation in a branch": lambda: Strided(
        nn.Conv3d(8, 9, 3, padding=2, dilation=2), nn.BatchNorm3d(9), nn.ReLU(),
        nn.Conv3d(9, 8, (1, 3, 3), stride=(1, 3, 3), padding=(0, 1, 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
def test_units_of_every_sort(name, monkeypatch):
    check(UNITS[name](), monkeypatch)


def test_two_blocks(monkeypatch):
    check(TwoBlocks(), monkeypatch, TwoBlocks.clip)


@pytest.mark.parametrize("shape", [(3, 1, 5, 6), (3, 4, 1, 3), (1, 5, 9, 7), (7, 2, 6, 5)], ids=str)
def test_odd_shapes_of_the_clip(shape, monkeypatch):
    """One frame, one line, one pixel column more; a stem of columns as channels, and not."""
    for kernel, stride, padding in [(3, 1, 1), ((1, 7, 7), (1, 2, 2), (0, 3, 3)), (1, 1, 0)]:
        stem = nn.Conv3d(shape[0], 8, kernel, stride=stride, padding=padding)
        check(Net(Residual(conv(8, 9), nn.ReLU(), conv(9, 8)), stem=stem), monkeypatch, shape,
              ("native float32", "native bfloat16"))  # fmt: skip
