"""Every backbone the library names: logits, and the stem, branches and units that its paper has."""

import pytest
import torch

import dance_lib as dance
from dance_lib.models import find_structure

# isort: split
from torchvision.models.video import R2Plus1D_18_Weights

from tests.networks import CLASSES, FAMILIES

# Counted by hand: (branches, units, channels of the stem's output, units with gates of their own).
EXPECTED = {
    "c2d_r50": (3 + 4 + 6 + 3, 16 * 3, 64, 48),
    "c3d": (7, 7, 64, 7),  # plain: eight convolutions, the first is the stem
    "csn_r101": (3 + 4 + 23 + 3, 33 * 3, 64, 33 * 2),  # the depthwise convolution shares a's gates
    "i3d_r50": (16, 48, 64, 48),
    "mc3_18": (8, 8 * 2, 64, 16),
    "r2plus1d_18": (8, 8 * 4, 45, 32),  # the stem is the first of its two convolutions
    "r2plus1d_narrow": (3, 3 * 4, 12, 12),
    "r2plus1d_medium": (3, 3 * 4, 12, 12),
    "r2plus1d_r50": (16, 16 * 4, 64, 64),
    "r3d_18": (8, 8 * 2, 64, 16),
    "s3d": (4 + 9 * 8, 76, 64, 76),  # plain: stem's temporal, three before nine blocks of eight
    "slow_r50": (16, 48, 64, 48),
    "x3d_l": (5 + 10 + 25 + 15, 55 * 3, 24, 55 * 2),
    "x3d_m": (3 + 5 + 11 + 7, 26 * 3, 24, 26 * 2),
    "x3d_s": (26, 78, 24, 52),
    "x3d_xs": (26, 78, 24, 52),
}
SLOW = {"x3d_l", "x3d_m", "x3d_xs"}  # 165 units; and twice the layers of x3d_s
SQUEEZES = {"x3d_l": 3 + 5 + 13 + 8, "x3d_m": 15, "x3d_s": 15, "x3d_xs": 15}  # every other block
PLAIN = {"c3d", "s3d"}


def test_the_table_holds_every_model():
    assert dance.list_models() == sorted(EXPECTED)


@pytest.fixture
def undrawn(monkeypatch):
    """Weights as the memory happens to be: shapes do not ask, and drawing 300 million is slow."""
    for name in ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


def check_structure(structure, name):
    branches, units, stem, owners = EXPECTED[name]
    assert (len(structure.branches), len(structure.units)) == (branches, units)
    assert structure.stem_shape[0] == stem
    assert len(structure.channel_owners) == owners
    assert len(structure.pools) == SQUEEZES.get(name, 0)
    assert {b.droppable for b in structure.branches.values()} == {name not in PLAIN}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in EXPECTED]
)
def test_logits_at_two_clip_shapes_and_structure_at_the_odd_one(name, undrawn):
    usual, odd = (3, 8, 32, 32), (3, 9, 40, 33)
    backbone = dance.create_model(name, CLASSES, usual).eval()
    for shape in (usual, odd):
        with torch.no_grad():
            assert backbone(torch.rand(2, *shape)).shape == (2, CLASSES)
    check_structure(find_structure(backbone, odd), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_structure_at_the_usual_shapes(name, undrawn):
    """Shapes are found without arithmetic, so whole clips cost no more than small ones."""
    backbone = dance.create_model(name, CLASSES, (3, 8, 32, 48))
    for shape in ((3, 16, 112, 112), (3, 32, 224, 224)):
        check_structure(find_structure(backbone, shape), name)


def test_r2plus1d_18_by_hand(undrawn):
    """45-channel spatial stem, four convolutions a block, torchvision's own figure of GMACs."""
    structure = find_structure(
        dance.create_model("r2plus1d_18", 400, (3, 16, 112, 112)), (3, 16, 112, 112)
    )
    assert structure.stem_shape == (45, 16, 56, 56)
    assert all(len(b.units) == 4 for b in structure.branches.values())
    assert round(structure.dense_macs / 1e9, 3) == R2Plus1D_18_Weights.KINETICS400_V1.meta["_ops"]
    last = structure.branches["layer4.1"]
    assert last.units == (
        "layer4.1.conv1.0.0", "layer4.1.conv1.0.3", "layer4.1.conv2.0.0", "layer4.1.conv2.0.3",
    )  # fmt: skip
    assert (last.size, last.grid) == ((2, 7, 7), (7, 7))
    assert [layer.name for layer in structure.others] == [
        "stem.0", "stem.3", "layer2.0.downsample.0", "layer3.0.downsample.0",
        "layer4.0.downsample.0", "fc",
    ]  # fmt: skip


def test_maps_of_one_position_change_nothing(undrawn):
    """Where the last map is 1×1×1, a pool over it is still a pool: what it feeds is no unit."""
    shape = (3, 8, 32, 32)
    check_structure(find_structure(dance.create_model("s3d", CLASSES, shape), shape), "s3d")
    squeezing = FAMILIES["x3d"]()
    small, large = (find_structure(squeezing, (3, t, t * 16, t * 16)) for t in (1, 4))
    assert small.units["blocks.2.res_blocks.2.branch2.conv_b"].out_shape[1:] == (1, 1, 1)
    assert (list(small.units), small.pools) == (list(large.units), large.pools)


def test_x3d_trains_without_deprecated_calls():
    """pytorchvideo's Swish asks for `saved_variables` in its backward; warnings are errors here."""
    backbone = dance.create_model("x3d_xs", CLASSES, (3, 2, 32, 32))
    backbone(torch.rand(2, 3, 2, 32, 32)).sum().backward()


def test_unknown_names_no_classes_and_small_clips_are_refused():
    with pytest.raises(dance.ModelError, match=r"unknown model 'r3d'; known: c2d_r50, .*x3d_xs"):
        dance.create_model("r3d", 2, (3, 8, 32, 32))
    with pytest.raises(dance.DanceError, match=r"num_classes=0: .*greater than or equal to 1"):
        dance.create_model("r2plus1d_narrow", 0, (3, 8, 32, 32))
    with pytest.raises(dance.ModelError, match=r"s3d can't take clips of \(3, 2, 32, 32\)"):
        dance.create_model("s3d", 2, (3, 2, 32, 32))
    with pytest.raises(dance.ModelError, match=r"narrow can't take clips of \(1, 8, 32, 32\)"):
        dance.create_model("r2plus1d_narrow", 2, (1, 8, 32, 32))
    with pytest.raises(dance.ModelError, match="no hub has weights of r2plus1d_narrow; give a"):
        dance.create_model("r2plus1d_narrow", 2, (3, 8, 32, 32), weights="hub")


def test_the_narrow_network_by_hand():
    """Classes 9, 16 × 56 × 56: (T·H·W) × inputs × outputs × kernel; as wide inside as outside."""
    first, second, third = 16 * 14 * 14, 16 * 7 * 7, 16 * 4 * 4
    units = [first * 16 * 16 * k for k in (9, 3, 9, 3)]
    units += [second * a * 32 * k for a, k in ((16, 9), (32, 3), (32, 9), (32, 3))]
    units += [third * a * 64 * k for a, k in ((32, 9), (64, 3), (64, 9), (64, 3))]
    others = first * 3 * 12 * 49 + first * 12 * 16 * 3  # the stem
    others += second * 16 * 32 + third * 32 * 64 + 64 * 9  # shortcuts and classifier
    backbone = dance.create_model("r2plus1d_narrow", 9, (3, 16, 56, 56))
    structure = find_structure(backbone, (3, 16, 56, 56))
    assert [unit.dense_macs for unit in structure.units.values()] == units
    assert structure.dense_macs == sum(units) + others == 63_634_240
