"""Networks that are wired in other ways than the families are."""

import pytest
import torch
from torch import nn

from tests.executors.networks import Net, Residual, check, conv


class Block(nn.Module):
    """Two convolutions; `join` puts their result and the input together."""

    def __init__(self, join, inner=9, **modules):
        super().__init__()
        self.first, self.second, self.join = conv(8, inner), conv(inner, 8), join
        for name, module in modules.items():
            if isinstance(module, nn.Parameter):
                self.register_parameter(name, module)
            else:
                self.add_module(name, module)

    def branch(self, x):
        return self.second(torch.relu(self.first(x)))

    def forward(self, x):
        return self.join(self, x)


class LongSkip(Net):
    """The classifier reads the stem's output too, which a dropped branch passes on unchanged."""

    def __init__(self):
        super().__init__(out=16)
        self.conv, self.squeeze = conv(8, 8), nn.Linear(8, 8)
        self.block = Residual(conv(8, 8), nn.ReLU(), conv(8, 8))

    def forward(self, x):
        first = self.stem(x)
        y = self.conv(first)
        gate = torch.sigmoid(self.squeeze(y.mean((2, 3, 4))))
        x = self.block(first + y * gate.view(gate.shape[0], gate.shape[1], 1, 1, 1))
        return self.fc(torch.cat([first.mean((2, 3, 4)), x.mean((2, 3, 4))], 1))


class Viewed(nn.Module):
    """A classifier of all positions, by `view`, as old networks have it."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.fc = conv(3, 4), conv(4, 6), nn.Linear(6 * 3 * 63, 5)

    def forward(self, x):
        x = torch.relu(self.conv(torch.relu(self.stem(x))))
        return self.fc(x.view(x.size(0), -1))


class Convolutional(nn.Module):
    """The logits are a map of one position."""

    def __init__(self):
        super().__init__()
        self.stem, self.body, self.last = conv(3, 4), conv(4, 6), nn.Conv3d(6, 5, (3, 7, 9))

    def forward(self, x):
        return self.last(torch.relu(self.body(torch.relu(self.stem(x))))).flatten(1)


class Prepared(Net):
    """Something before the first convolution."""

    def __init__(self, prepare, **modules):
        super().__init__(Residual(conv(8, 9), nn.ReLU(), conv(9, 8)))
        self.prepare = prepare
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return super().forward(self.prepare(self, x))


class Joined(nn.Module):
    """Two convolutions side by side, put together by `join`, and a third."""

    def __init__(self, join, channels):
        super().__init__()
        self.a, self.b, self.c, self.join = conv(8, 4), conv(8, 4), conv(channels, 8), join

    def forward(self, x):
        return self.c(self.join(self.a(x), torch.relu(self.b(x))))


def sized(self, x):
    """Asks for the size of a value between a convolution and its norm."""
    y = self.first(x)
    frames = y.shape[2]
    y = torch.relu(self.norm(y))
    return x + self.second(y.view(y.shape[0], 9, frames, y.shape[3], y.shape[4]))


def cut(self, x):
    x = torch.relu(self.first(x))[:, :, 1:]
    return self.second(x)


def squeezed_behind(self, x):
    """The squeeze reads what stands behind the unit: its values spread, its share does not."""
    y = self.pass_on(torch.relu(self.norm(self.first(x))))
    gate = torch.sigmoid(self.gate(y.mean((2, 3, 4), keepdim=True)))
    return x + self.second(gate * y)


GRAPHS = {
    "identity shortcut": lambda: Net(
        *(Block(lambda s, x: torch.relu(s.branch(x) + s.short(x)), short=nn.Identity())
          for _ in "ab")
    ),
    "dropout on the shortcut": lambda: Net(
        Block(lambda s, x: s.branch(x) + s.drop(s.short(x)), short=conv(8, 8, 1),
              drop=nn.Dropout(0.5))
    ),
    "dropout on the branch": lambda: Net(
        Block(lambda s, x: torch.relu(s.drop(s.branch(x)) + x), drop=nn.Dropout(0.5))
    ),
    "branch by alpha": lambda: Net(Block(lambda s, x: torch.add(x, s.branch(x), alpha=0.3))),
    "in-place sum": lambda: Net(Block(lambda s, x: s.branch(x).add_(x).relu_())),
    "scale by channel": lambda: Net(
        Block(lambda s, x: x + s.g * s.branch(x), g=nn.Parameter(torch.rand(1, 8, 1, 1, 1)))
    ),
    "scale of three axes": lambda: Net(
        Block(lambda s, x: x + s.branch(x) * s.g, g=nn.Parameter(torch.rand(8, 1, 1, 1)))
    ),
    "scale by frame": lambda: Net(
        Block(lambda s, x: x + s.branch(x) * s.g, g=nn.Parameter(torch.rand(3, 1, 1)))
    ),
    "position added by frame": lambda: Net(
        Block(lambda s, x: s.branch(x + s.p), p=nn.Parameter(torch.rand(1, 8, 3, 1, 1)))
    ),
    "position added by place": lambda: Net(
        Block(lambda s, x: s.branch(x + s.p), p=nn.Parameter(torch.rand(1, 1, 3, 7, 9)))
    ),
    "size in between": lambda: Net(Block(sized, norm=nn.BatchNorm3d(9))),
    "first frame cut off": lambda: Net(Block(cut)),
    "long skip": LongSkip,
    "view": Viewed,
    "logits of a map": Convolutional,
    "identity at the stem's end": lambda: Net(
        Residual(conv(8, 9), nn.ReLU(), conv(9, 8)), stem=nn.Sequential(conv(3, 8), nn.Identity())
    ),
    "norm of the clip": lambda: Prepared(lambda s, x: s.norm(x), norm=nn.BatchNorm3d(3)),
    "scale of the clip": lambda: Prepared(lambda s, x: x * 2 - 1),
    "dropout of the clip": lambda: Prepared(lambda s, x: s.drop(x), drop=nn.Dropout(0.1)),
    "concatenated twice": lambda: Net(Joined(lambda a, b: torch.cat([a, b, a], 1), 12)),
    "concatenated over time": lambda: Net(Joined(lambda a, b: torch.cat([a, b], dim=2), 4)),
    "multiplied maps": lambda: Net(Joined(lambda a, b: a * torch.sigmoid(b), 4)),
}  # fmt: skip
# In place, convolutions that are no units and pad otherwise.
RARE = {
    "squeeze behind a pool": lambda: Net(
        Block(squeezed_behind, norm=nn.BatchNorm3d(9), gate=nn.Conv3d(9, 9, 1),
              pass_on=nn.MaxPool3d(3, 1, 1))
    ),
    "overwritten by an activation": lambda: Net(
        *(Block(lambda s, x: x + s.branch(s.act(x)), act=nn.ReLU(inplace=True)) for _ in "ab")
    ),
    "overwritten by a product": lambda: Net(Block(lambda s, x: s.branch(x.mul_(0.5)) + x)),
    "stem padded to the same size": lambda: Net(
        Residual(conv(8, 8)), stem=nn.Conv3d(3, 8, 3, padding="same")
    ),
    "stem padded by its edge": lambda: Net(
        Residual(conv(8, 8)), stem=nn.Conv3d(3, 8, 3, padding=1, padding_mode="replicate")
    ),
    "shortcut that reflects": lambda: Net(
        Block(lambda s, x: s.branch(x) + s.short(x), short=conv(8, 8, padding_mode="reflect"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*GRAPHS, *RARE])
def test_graphs_of_every_sort(name, monkeypatch):
    check((GRAPHS | RARE)[name](), monkeypatch)
