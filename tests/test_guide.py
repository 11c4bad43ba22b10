"""The guide is a program of fewer than forty lines, and does what it says."""

import re
from pathlib import Path

import pytest
import torch

import dance_lib as dance
from dance_lib.explain.layers import layer_table
from dance_lib.train.pruning import least_ratio
from tests.threads import one_thread  # noqa: F401
from tests.train.videos import make_videos

GUIDE = (Path(__file__).parents[1] / "GUIDE.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
CLIP = (3, 16, 56, 56)


@pytest.fixture
def net():
    """The guide's network, untrained."""
    names = {}
    exec(BLOCKS[0], names)
    return dance.Dance(names["my_network"](3), CLIP)


def test_it_has_fewer_than_forty_lines():
    lines = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
    assert 20 < len(lines) < 40
    assert len(BLOCKS) == GUIDE.count("```") // 2  # nothing in it is left out here


def test_its_table_of_layers_is_the_true_one(net):
    told = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) % \|(.*?)\|(.*?)\|$", GUIDE, re.MULTILINE)
    true = layer_table(net)
    assert [[layer, part.split()[-1].strip("`")] for layer, part, *_ in told] == [
        [layer, part.split()[-1]] for layer, part in true[["layer", "part"]].itertuples(index=False)
    ]
    assert [float(share) for _, _, share, *_ in told] == [round(100 * s, 1) for s in true["share"]]
    assert [row[3].strip() for row in told] == list(true["pruned"])
    assert [row[4].strip() for row in told] == list(true["stays"])
    floor = re.search(r"must lie above (0\.\d+)", GUIDE)
    assert float(floor[1]) == round(least_ratio(net), 3)


@pytest.mark.slow
def test_it_ends_with_a_pruned_checked_exported_network(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make_videos(Path("videos/train"), 24, frames=16, size=64)
    make_videos(Path("videos/test"), 9, frames=16, size=64, seed=1)
    names = {}
    exec("\n".join(BLOCKS), names)
    done, net = names["done"], names["net"]
    ratios = done.pruned.mac_ratios(net)
    assert done.dense.accuracy > 0.8  # a third by chance
    assert done.pruned.accuracy > 0.8
    assert ratios.mean() == pytest.approx(0.6, abs=0.05)
    printed = capfd.readouterr().out
    assert f"{done.dense.accuracy} {done.pruned.accuracy}" in printed
    assert "ideal_macs" in printed
    assert sorted(p.name for p in Path("onnx").iterdir()) == ["dense.onnx", "dynamic.onnx"]
    again = dance.load("net.safetensors", backbone=names["my_network"](3))
    clips = names["clips"]
    with torch.no_grad():
        torch.testing.assert_close(again(clips), net(clips))
    counted = dance.count(net, names["plan"])
    spent = counted["ideal_macs"].sum() / counted["dense_macs"].sum()
    assert spent == pytest.approx(ratios[:8].mean().item(), abs=1e-4)
