"""What of each layer is pruned, against networks read by hand."""

import pytest
import torch
from torch import nn

from dance_lib import Dance
from dance_lib.explain.layers import NOT_COUNTED, WHY, layer_table, told
from tests.networks import CLASSES, CLIP, FAMILIES, Gated, TwoBlocks

ALL = "frames, channels, features"
GROUP = "channels: one group of 8 channels, and one is always kept"


def rows(net, *columns):
    return list(layer_table(net)[list(columns)].itertuples(index=False, name=None))


def two_blocks(**options):
    return Dance(TwoBlocks(), TwoBlocks.clip, **options)


def test_every_layer_stands_there_once_in_order():
    assert rows(two_blocks(), "layer", "kind", "part", "pruned", "stays") == [
        ("stem.0", "Conv3d", "stem", "", WHY["stem"]),
        ("a.0", "Conv3d", "a.0", ALL, ""),
        ("b.0", "Conv3d", "a.0", "frames, features", GROUP),
        ("shortcut", "Conv3d", "shortcut", "", WHY["shortcut"]),
        ("c.0", "Conv3d", "c.0", ALL, ""),
        ("d", "Conv3d", "c.0", ALL, ""),
        ("fc", "Linear", "head", "", WHY["head"]),
    ]


def test_macs_are_those_of_the_layers():
    net = two_blocks()
    macs = [8 * 256 * 27, 16 * 256 * 8 * 9, 8 * 256 * 16 * 3, 16 * 32 * 8, 24 * 32 * 8 * 27,
            16 * 32 * 24, 16 * CLASSES]  # fmt: skip
    table = layer_table(net)
    assert list(table["macs"]) == macs
    assert list(table["share"]) == pytest.approx([m / sum(macs) for m in macs])
    assert sum(macs) == net.structure.dense_macs


def test_axes_that_were_not_asked_for_need_no_reason():
    net = two_blocks(axes=("channels",))
    expected = {"a.0": ("channels", ""), "b.0": ("", GROUP), "c.0": ("channels", "")}
    found = {layer: said for layer, *said in rows(net, "layer", "pruned", "stays")}
    assert {layer: tuple(found[layer]) for layer in expected} == expected


def test_what_runs_before_the_controller_reads():
    net = two_blocks(reads="a.0")
    runs = "runs before the controller reads"
    reasons = dict(rows(net, "layer", "stays"))
    assert reasons["a.0"] == "; ".join(f"{axis}: {runs}" for axis in ALL.split(", "))
    assert reasons["c.0"] == ""


def test_squeeze_excite_is_no_head_and_no_shortcut():
    assert rows(Dance(Gated(), (3, 4, 8, 8)), "layer", "part") == [
        ("stem", "stem"), ("conv", "conv"), ("reduce", "squeeze-excite"),
        ("expand", "squeeze-excite"), ("fc", "head"),
    ]  # fmt: skip
    parts = [part for _, part in rows(Dance(FAMILIES["x3d"](), CLIP), "layer", "part")]
    assert parts.count("squeeze-excite") == 8  # in four of six blocks
    assert parts.count("shortcut") == 2
    assert parts.count("head") == 1


class Odd(nn.Module):
    """A grouped convolution over the stream, others beside and between branches, and attention."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 16, 3, padding=1)
        self.grouped = nn.Conv3d(16, 16, 3, padding=1, groups=2)
        self.behind = nn.Conv3d(16, 16, 1)
        self.between = nn.Conv3d(16, 16, 1)
        self.mixed = nn.Conv3d(16, 16, 1)
        self.inside = nn.Linear(16, 16)
        self.last = nn.Conv3d(16, 16, 1)
        self.up = nn.ConvTranspose3d(16, 16, 1)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        x = self.between(torch.relu(x + self.behind(self.grouped(x))))
        y = self.inside(self.mixed(x).permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        x = self.up(torch.relu(x + self.last(y))).mean((3, 4)).transpose(1, 2)
        return self.fc(self.attention(x, x, x)[0].mean(1))


def test_what_can_not_be_pruned_says_why():
    grouped = "channels: a grouped convolution that reads channels nobody prunes"
    net = Dance(Odd(), (3, 4, 8, 8))
    assert rows(net, "layer", "part", "pruned", "stays") == [
        ("stem", "stem", "", WHY["stem"]),
        ("grouped", "grouped", "frames, features", grouped),
        ("behind", "grouped", ALL, ""),
        ("between", "residual stream", "", WHY["residual stream"]),
        ("mixed", "mixed", ALL, ""),
        ("inside", "inside a branch", "", WHY["inside a branch"]),
        ("last", "mixed", ALL, ""),
        ("up", "head", "", NOT_COUNTED),
        ("attention", "head", "", NOT_COUNTED),
        ("fc", "head", "", WHY["head"]),
    ]
    table = layer_table(net).set_index("layer")
    assert table.loc[["up", "attention"], ["macs", "share"]].isna().all(axis=None)
    assert table["macs"].sum() == net.structure.dense_macs
    lines = told(layer_table(net))
    assert lines[0].startswith("pruned: 4 of 10 layers, ")
    assert f"stays dense: head (2 layers): {NOT_COUNTED}" in lines
    assert any(line.startswith("stays dense: in part (1 layer, ") for line in lines)


def test_a_plain_network_keeps_a_frame_and_a_tile():
    network = nn.Sequential(
        nn.Conv3d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv3d(16, 16, (4, 3, 3), padding=(0, 1, 1)),  # 4 frames -> 1
        nn.Conv3d(16, 16, (1, 8, 8)),  # 8 × 8 -> 1 × 1
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    )
    assert rows(Dance(network, (3, 4, 8, 8)), "layer", "pruned", "stays")[1:3] == [
        ("2", "channels, features", "frames: one frame, and one is always kept"),
        ("3", "channels", "frames: one frame, and one is always kept; "
                          "features: one tile, and one is always kept"),
    ]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_pruned_are_the_units(family):
    net = Dance(FAMILIES[family](), CLIP)
    table = layer_table(net)
    assert list(table["layer"][table["pruned"] != ""]) == list(net.structure.units)
    assert table["macs"].sum() == net.structure.dense_macs
    assert table["share"].sum() == pytest.approx(1)
    assert (table["stays"] != "")[table["pruned"] == ""].all()
