"""Stem, branches and units of networks defined here, named by hand."""

import pytest
import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.models import find_structure
from tests.networks import CLASSES, CLIP, FAMILIES, Gated, PreActivation, Strided, TwoBlocks


def test_a_network_of_ones_own():
    structure = find_structure(TwoBlocks(), TwoBlocks.clip)
    assert structure.stem_shape == (8, 4, 8, 8)
    assert {b.name: b.units for b in structure.branches.values()} == {
        "a.0": ("a.0", "b.0"),  # nothing in common: named after its first unit
        "c.0": ("c.0", "d"),
    }
    assert [b.size for b in structure.branches.values()] == [(4, 8, 8), (2, 4, 4)]
    assert [b.grid for b in structure.branches.values()] == [(7, 7), (4, 4)]
    units = structure.units
    assert list(units) == ["a.0", "b.0", "c.0", "d"]
    assert [u.sources for u in units.values()] == [
        ((None, 8),), (("a.0", 16),), ((None, 8),), (("c.0", 24),),
    ]  # fmt: skip
    assert [u.in_shape for u in units.values()] == [
        (8, 4, 8, 8), (16, 4, 8, 8), (8, 4, 8, 8), (24, 2, 4, 4),
    ]  # fmt: skip
    assert [u.out_shape[0] for u in units.values()] == [16, 8, 24, 16]
    # Weights and biases: b and c have biases.
    assert [u.weights for u in units.values()] == [
        8 * 16 * 9,
        16 * 8 * 3 + 8,
        8 * 24 * 27 + 24,
        384,
    ]
    assert [(x.name, x.macs) for x in structure.others] == [
        ("stem.0", 8 * 4 * 8 * 8 * 3 * 9), ("shortcut", 16 * 2 * 4 * 4 * 8), ("fc", 16 * CLASSES),
    ]  # fmt: skip
    assert structure.pools == {}


def test_pre_activation():
    """The stem has no norm of its own; a unit's norm is the one behind it; the last has none."""
    network = PreActivation()
    structure = find_structure(network, CLIP)
    assert structure.stem == "stem"
    assert list(structure.branches) == ["blocks.0", "blocks.1"]
    nodes = {n.name: n for n in structure.graph.nodes}
    ends = [nodes[structure.units[f"blocks.0.conv{i}"].node] for i in (1, 2, 3)]
    assert [str(end.target).rpartition(".")[2] for end in ends[2:]] == ["conv3"]
    assert all(end.target is torch.relu for end in ends[:2])
    assert structure.units["blocks.0.conv2"].shares == "blocks.0.conv1"
    assert structure.channel_owners == (
        "blocks.0.conv1", "blocks.0.conv3", "blocks.1.conv1", "blocks.1.conv3",
    )  # fmt: skip


def test_concatenated_channels_are_followed_to_their_units():
    structure = find_structure(FAMILIES["s3d"](), CLIP)
    # Out channels of branches 0 to 3 of the first inception block, in the order of the cat.
    parts = (("features.4.branch0.0", 9), ("features.4.branch1.1.1.0", 10),
             ("features.4.branch2.1.1.0", 5), ("features.4.branch3.1.0", 8))  # fmt: skip
    assert structure.units["features.6.branch0.0"].sources == parts
    assert structure.units["features.6.branch3.1.0"].sources == parts  # through a max pool
    # Behind the stem's own output, which is never pruned:
    assert structure.units["features.0.1.0"].sources == ((None, 8),)


def test_squeeze_excite_is_no_unit_and_its_pool_is_found():
    structure = find_structure(FAMILIES["x3d"](), CLIP)
    assert [n.rpartition(".")[2] for n in structure.units] == ["conv_a", "conv_b", "conv_c"] * 6
    pooled = [f"blocks.{s}.res_blocks.{b}.branch2.conv_b" for s in (1, 2) for b in (0, 2)]
    assert list(structure.pools.values()) == pooled
    other = [x.name for x in structure.others if "norm_b" in x.name]
    assert len(other) == 4 * 2  # reduce and expand, always in full
    for name in structure.units:
        shares = name.replace("conv_b", "conv_a") if name.endswith("conv_b") else None
        assert structure.units[name].shares == shares
    # Through gate and swish, the last convolution still reads the depthwise one's channels.
    unit = structure.units["blocks.1.res_blocks.0.branch2.conv_c"]
    assert unit.sources == (("blocks.1.res_blocks.0.branch2.conv_b", 18),)


def test_squeeze_excite_by_linear_layers_behind_the_last_unit():
    structure = find_structure(Gated(), (3, 3, 4, 4))
    assert (list(structure.units), list(structure.pools.values())) == (["conv"], ["conv"])


@pytest.mark.parametrize(
    "steps",
    [
        (nn.Conv3d(8, 8, 3, padding=1), nn.Conv3d(8, 8, 3, (3, 4, 4), 1)),
        (nn.Conv3d(8, 8, 3, padding=1), nn.Conv3d(8, 8, 3, 2, 1), nn.Conv3d(8, 8, 3, (1, 2, 2), 1)),
        (nn.Conv3d(8, 8, 3, padding=1), nn.MaxPool3d(2), nn.Conv3d(8, 8, 1)),
        (nn.Conv3d(8, 8, 3, padding=1), nn.Conv3d(8, 8, 3)),
    ],
    ids=["stride 3 and 4", "2 after 2", "a pool that floors", "a border cut off"],
)
def test_rule_5_an_earlier_unit_follows_its_stride(steps):
    """Position t of an earlier map is kept where ⌊t/s⌋ of the branch's output is."""
    net = Dance(Strided(*steps), (3, 7, 13, 14), grid=3)
    structure = net.structure
    (branch,) = structure.branches.values()
    stride = [1, 1, 1]  # of everything behind the first unit, multiplied up
    for step in steps[1:]:
        own = step.stride if isinstance(step.stride, tuple) else (step.stride,) * 3
        stride = [a * b for a, b in zip(stride, own, strict=True)]
    T, H, W = branch.size
    plan = PruningPlan.random(net, 3, frames=0.5, features=0.5, seed=1)
    first, last = branch.units[0], branch.units[-1]
    for n in range(3):
        for t in range(7):
            parent = min(t // stride[0], T - 1)
            assert plan.frames[first][n, t] == plan.frames[last][n, parent]
        for h in range(13):
            for w in range(14):
                parent = min(h // stride[1], H - 1), min(w // stride[2], W - 1)
                assert plan.features[first][n, h, w] == plan.features[last][n, *parent]


class Branch(nn.Module):
    """A stem, x + some layers, a head: for what may stand in a branch."""

    def __init__(self, *layers, channels=8):
        super().__init__()
        self.stem = nn.Conv3d(3, channels, 3, padding=1)
        self.branch = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.branch(x))
        return self.fc(x.mean((2, 3, 4)))


class LayerScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((8, 1, 1, 1), 2.0))

    def forward(self, x):
        return self.scale * x


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv3d(8, 8, 1)],
        [nn.Conv3d(8, 8, 1), nn.ReLU(), nn.BatchNorm3d(8)],  # norm behind the activation
        [nn.Conv3d(8, 8, 1), nn.GroupNorm(2, 8), nn.PReLU(8)],
        [nn.Conv3d(8, 8, 1), nn.Identity(), nn.InstanceNorm3d(8, affine=True), nn.GELU()],
        [nn.Conv3d(8, 8, 1), nn.BatchNorm3d(8), nn.Dropout3d(0.5)],
        [nn.Conv3d(8, 8, 1), nn.BatchNorm3d(8), LayerScale()],
        [nn.Conv3d(8, 8, 1), nn.PReLU(8), nn.Conv3d(8, 8, 3, padding=1), nn.Sigmoid()],
        [nn.Conv3d(8, 8, 1), nn.BatchNorm3d(8), nn.AvgPool3d(3, 1, 1)],
    ],
    ids=lambda layers: "-".join(type(m).__name__ for m in layers),
)
def test_a_dropped_branch_adds_nothing_whatever_follows_its_convolutions(layers):
    torch.manual_seed(0)
    network = Branch(*layers).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d | nn.GroupNorm | nn.InstanceNorm3d):
            nn.init.normal_(module.bias)  # norm(0) is not 0
    net = Dance(network, (3, 3, 4, 4)).eval()
    full = PruningPlan.full(net)
    none = {u: torch.zeros_like(m) for u, m in full.frames.items()}
    clip = torch.rand(1, 3, 3, 4, 4)
    with torch.no_grad():
        x = torch.relu(network.stem((clip - net.mean) / net.std))
        logits = net(clip, plan=PruningPlan(none, full.channels, full.features))
        assert torch.equal(logits, network.fc(x.mean((2, 3, 4))))


def test_asking_for_a_size_makes_no_path():
    """`x.shape` of a unit's value is no reader that would end the unit, or join two branches."""

    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.conv = nn.Conv3d(3, 8, 1), nn.Conv3d(8, 8, 3, padding=1)
            self.norm, self.fc = nn.BatchNorm3d(8), nn.Linear(8, CLASSES)

        def forward(self, x):
            x = self.stem(x)
            y = self.conv(x)
            size = y.shape[2:]
            x = nn.functional.adaptive_avg_pool3d(x, size) + torch.relu(self.norm(y))
            return self.fc(x.mean((2, 3, 4)).view(x.size(0), -1))

    structure = find_structure(Sized(), (3, 3, 4, 4))
    assert list(structure.branches) == ["conv"]
    assert structure.units["conv"].node == "relu"


def test_channels_behind_an_activation_of_several_slopes_are_followed():
    network = Branch(
        nn.Conv3d(8, 8, 1), nn.BatchNorm3d(8), nn.ReLU(), nn.PReLU(8), nn.Conv3d(8, 8, 1)
    )
    structure = find_structure(network, (3, 3, 4, 4))
    assert structure.units["branch.4"].sources == (("branch.0", 8),)


def test_a_grouped_convolution_without_a_unit_before_it_is_never_pruned():
    network = Branch(nn.Conv3d(8, 8, 3, padding=1, groups=8), nn.Conv3d(8, 8, 1))
    structure = find_structure(network, (3, 3, 4, 4))
    assert structure.channel_owners == ("branch.1",)
    plan = PruningPlan.random(Dance(network, (3, 3, 4, 4)), 4, channels=0.01)
    assert plan.channels["branch.0"].all()


def test_plain_networks_have_a_branch_for_every_convolution_after_the_stem():
    network = nn.Sequential(
        nn.Conv3d(3, 8, 3), nn.ReLU(), nn.Conv3d(8, 8, 3), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(8, 9, 1), nn.AdaptiveAvgPool3d(1), nn.Conv3d(9, CLASSES, 1), nn.Flatten(),
    )  # fmt: skip
    structure = find_structure(network, (3, 8, 12, 12))
    assert {b.name: b.units for b in structure.branches.values()} == {"2": ("2",), "5": ("5",)}
    assert not any(b.droppable for b in structure.branches.values())
    assert [x.name for x in structure.others] == ["0", "7"]  # the classifier reads a pooled map


def test_finding_changes_nothing_of_the_network():
    """Shapes are found on fake tensors: no statistic moves, no mode changes."""
    network = FAMILIES["x3d"]().train()
    network.blocks[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    find_structure(network, CLIP)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
