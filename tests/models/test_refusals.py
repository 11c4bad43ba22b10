"""Networks that can't be understood are refused with a message that names the module."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dance_lib import Dance, StructureError
from dance_lib.models import find_structure

CLIP = (3, 4, 8, 8)


def conv(channels=8, **rest):
    return nn.Conv3d(channels, 8, 3, padding=1, **rest)


class Network(nn.Module):
    """stem -> body (the subclass's) -> head."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3)
        self.a, self.b, self.c = conv(), conv(), conv()
        self.norm = nn.BatchNorm3d(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.body(self.stem(x)).mean((2, 3, 4)))


class Nested(Network):
    def body(self, x):
        y = self.a(x)
        return x + (y + self.b(y))


class Ambiguous(Network):
    def body(self, x):
        return self.a(x) + self.b(x)


class ReadTwice(Network):
    def body(self, x):
        y = self.a(x)
        return (x + self.b(y)) * y


class ChangedByValues(Network):
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv()

        def forward(self, x):
            return self.conv(x) if x.mean() > 0 else x

    def __init__(self):
        super().__init__()
        self.gate = self.Gate()

    def body(self, x):
        return x + self.gate(x)


class FunctionalConvolution(Network):
    def body(self, x):
        return x + F.conv3d(x, self.a.weight, padding=1)


class FunctionalLinear(Network):
    def forward(self, x):
        return F.linear((self.stem(x)).mean((2, 3, 4)), self.fc.weight)


class ModeDependent(Network):
    def body(self, x):
        return x + F.dropout(self.a(x), 0.5, self.training)


class TwoHeadsInTraining(Network):
    def forward(self, x):
        x = self.stem(x)
        x = x + self.a(x)
        logits = self.fc(x.mean((2, 3, 4)))
        return (logits, x) if self.training else logits


class SideEffect(Network):
    def body(self, x):
        y = self.a(x)
        y.add_(x)
        return y


class NormBehindThePool(Network):
    """What follows the last unit is not zero at zero: norm(0) would stay where it is dropped."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool3d(3, 1, 1)

    def body(self, x):
        return x + self.norm(self.pool(self.a(x)))


class ConcatenatedStream(Network):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv3d(8, 3, 1), nn.Conv3d(8, 5, 1)

    def body(self, x):
        return x + torch.cat([self.a(x), x[:, :5]], dim=1)


class SharedUnit(Network):
    def body(self, x):
        x = x + self.a(x)
        return x + self.a(x)


class SharedWithTheStream(Network):
    def body(self, x):
        return self.a(x + self.b(self.a(x)))


class Maps(Network):
    def forward(self, x):
        x = self.stem(x)
        return x + self.a(x)


class TwoInputs(Network):
    def forward(self, clip, text):
        return self.fc((self.stem(clip) + text).mean((2, 3, 4)))


class Reflecting(Network):
    def __init__(self):
        super().__init__()
        self.a = conv(padding_mode="reflect")

    def body(self, x):
        return x + self.a(x)


class SamePadding(Network):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv3d(8, 8, 3, padding="same")

    def body(self, x):
        return x + self.a(x)


class StemAlone(Network):
    def body(self, x):
        return x


REFUSED = [
    (Nested, r"additions 'add' and 'add_1' are nested \(both hold 'b'\)"),
    (Ambiguous, r"addition 'add' joins two paths of 1 convolutions each \(a, b\): which is"),
    (ReadTwice, r"'a' lies in the branch that ends at 'add' but is also read by .*mul"),
    (ChangedByValues, r"can't trace ChangedByValues: module 'gate' .*no control flow on values"),
    (FunctionalConvolution, r"FunctionalConvolution calls conv3d as a function \('conv3d'\)"),
    (FunctionalLinear, r"FunctionalLinear calls linear as a function \('linear'\)"),
    (ModeDependent, r"ModeDependent differs between training and evaluation at 'dropout'"),
    (TwoHeadsInTraining, "TwoHeadsInTraining differs between training and evaluation at"),
    (SideEffect, r"SideEffect calls 'add_' \('add_'\) for its side effect; use what it returns"),
    (NormBehindThePool, r"branch that ends at 'add' passes 'norm' behind its last unit"),
    (ConcatenatedStream, r"branch that ends at 'add' passes .* behind its last unit"),
    (SharedUnit, r"'a' runs twice; a shared unit can't be pruned"),
    (SharedWithTheStream, r"'a' runs twice; a shared unit can't be pruned"),
    (Maps, r"Maps gives \(2, 8, 4, 8, 8\), not logits \(N, classes\)"),
    (TwoInputs, r"TwoInputs takes the inputs clip, text; pruning needs one clip"),
    (Reflecting, r"'a' pads by \(1, 1, 1\), mode 'reflect'; units need explicit zero padding"),
    (SamePadding, r"'a' pads by 'same', mode 'zeros'; units need explicit zero padding"),
    (StemAlone, r"StemAlone has no 3D convolution after its stem 'stem': nothing to prune"),
]


@pytest.mark.parametrize(("network", "message"), REFUSED, ids=[n.__name__ for n, _ in REFUSED])
def test_refused_by_name(network, message):
    with pytest.raises(StructureError, match=message):
        find_structure(network(), CLIP)


def test_no_convolution_and_wrong_clips():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 2))
    with pytest.raises(StructureError, match="Sequential has no 3D convolution"):
        find_structure(flat, CLIP)
    with pytest.raises(StructureError, match=r"StemAlone can't take clips of \(1, 4, 8, 8\)"):
        find_structure(StemAlone(), (1, 4, 8, 8))


def test_slowfast_is_refused():
    """Two pathways: its input is a list of two tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from pytorchvideo.models.hub import slowfast_r50
    network = slowfast_r50(pretrained=False)
    with pytest.raises(StructureError, match=r"can't trace Net: module 'blocks\.0"):
        Dance(network, (3, 8, 32, 32))


def test_a_second_stem_is_refused_when_the_network_is_cut():
    """The plan must be known once the stem has run; another reader of the clip comes too late."""

    class TwoStems(Network):
        def forward(self, clip):
            x = self.stem(clip)
            x = torch.cat([x + self.a(x), self.other(clip)], dim=1)
            return self.head(x.mean((2, 3, 4)))

        def __init__(self):
            super().__init__()
            self.other, self.head = conv(3), nn.Linear(16, 2)

    with pytest.raises(
        StructureError, match="'other' reads 'clip' from before the end of the stem"
    ):
        Dance(TwoStems(), CLIP)
