"""What the computing notebooks start from."""

import pytest
import torch

import dance_lib as dance
from dance_lib.analysis import setup
from dance_lib.analysis.setup import (
    build_network,
    load_network,
    open_sets,
    set_options,
    with_controller,
)
from dance_lib.errors import DanceError
from tests.train.small import make_clips, make_net, same, state


def test_a_new_network_is_drawn_by_its_seed():
    clips = make_clips(5)
    one, again, other = (build_network("r2plus1d_narrow", clips, seed) for seed in (0, 0, 1))
    assert same(state(one), state(again))
    assert not same(state(one), state(other))
    assert one.clip_shape == clips.clip_shape
    with torch.no_grad():
        assert one.dense(clips.batch([0, 1])).shape == (2, 5)


def test_a_checkpoint_comes_back_laid_out_for_training(tmp_path):
    clips = make_clips(2)
    net = build_network("r2plus1d_narrow", clips, 0).eval()
    dance.save(net, tmp_path / "net.safetensors", clips.classes)
    again = load_network(tmp_path / "net.safetensors")
    assert same(state(net), state(again))
    weight = again.backbone.layer1.conv1[0][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        assert torch.equal(again(clips.batch([0, 1])), net(clips.batch([0, 1])))


def test_another_controller_under_the_same_backbone():
    net = make_net(group_size=4, mean=[0.1, 0.2, 0.3], std=0.5)
    before = state(net.backbone)
    other = with_controller(net, ["frames"], seed=3)
    assert other.backbone is net.backbone
    assert same(state(other.backbone), before)
    assert other.controller.axes == ("frames",)
    assert (other.grid, other.structure.group_size) == (4, 4)
    assert torch.equal(other.mean, net.mean)  # pixels are normalised as before
    assert torch.equal(other.std, net.std)
    assert other.reads == "stem"
    second = list(net.structure.branches)[1]
    for reads in ("pixels", "average", second):
        assert with_controller(net, ["frames"], seed=3, reads=reads).reads == reads
    assert same(state(with_controller(net, ["frames"], 3).controller), state(other.controller))
    assert not same(state(with_controller(net, ["frames"], 4).controller), state(other.controller))


@pytest.mark.parametrize("fold", ["first", "-1", ""])
def test_a_fold_is_own_or_a_number(fold):
    with pytest.raises(DanceError, match=f"fold is 'own' or a number, not '{fold}'"):
        open_sets("digits", None, fold=fold, frames=8, size=32, train_clips=1, test_clips=1,
                  cache="data")  # fmt: skip


def options(**changes):
    return {"fold": "own", "frames": 8, "size": 32, "train_clips": 18, "test_clips": 9,
            "cache": "data", **changes}  # fmt: skip


def test_development_is_tested_on_clips_that_are_no_test_clips(tmp_path):
    """Same size, same classes, other digits and scenes; a data seed draws all anew."""
    sets = {
        name: open_sets("digits", None, **options(cache=str(tmp_path), **changes))
        for name, changes in {
            "test": {}, "val": {"tested_on": "val"}, "other": {"data_seed": 1},
        }.items()
    }  # fmt: skip
    assert [len(s.test) for s in sets.values()] == [9, 9, 9]
    first = {name: s.test.batch([0]) for name, s in sets.items()}
    assert not torch.equal(first["test"], first["val"])
    assert not torch.equal(first["test"], first["other"])
    train = {name: s.train.batch([0]) for name, s in sets.items()}
    assert torch.equal(train["test"], train["val"])
    assert not torch.equal(train["test"], train["other"])


@pytest.mark.parametrize(
    ("tested_on", "data_root", "splits", "fraction", "drawn"),
    [
        ("test", None, ["train", "test"], 0.0, (0, 9)),
        ("val", None, ["train", "test"], 0.0, (9, 0)),  # what has no test part is tested on val
        ("test", "videos", ["train", "test"], 0.0, None),
        ("val", "videos", ["train", "val"], 0.2, None),  # a fifth of the training clips
    ],
)
def test_what_is_opened(monkeypatch, tmp_path, tested_on, data_root, splits, fraction, drawn):
    asked = []
    monkeypatch.setattr(setup, "open_clips", lambda *args, **named: asked.append((args, named)))
    root = None if data_root is None else str(tmp_path / data_root)
    open_sets("csv", root, **options(fold="2", tested_on=tested_on, data_seed=5))
    assert [named["split"] for _, named in asked] == splits
    for (dataset, where), named in asked:
        assert (dataset, where) == ("csv", root and tmp_path / data_root)
        assert named["val_fraction"] == fraction
        assert (named["clip_shape"], named["fold"]) == ((8, 32, 32), 2)
        assert (named["digits"].train, named["digits"].seed) == (18, 5)
        if drawn:
            assert (named["digits"].val, named["digits"].test) == drawn


def test_tested_on_is_test_or_val():
    with pytest.raises(DanceError, match="tested_on is 'test' or 'val', not 'train'"):
        open_sets("digits", None, **options(tested_on="train"))


def test_a_notebooks_parameters_for_the_sets():
    given = {"frames": 8, "seed": 3, "dataset": "digits", "data_root": None, "tested_on": "val"}
    assert set_options(given) == {"frames": 8, "tested_on": "val"}
