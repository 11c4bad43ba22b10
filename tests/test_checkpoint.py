"""Checkpoints: what comes back, what is refused, and that a file carries no code."""

import json
import shutil
import struct
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import dance_lib as dance
from dance_lib import CheckpointError, Dance
from dance_lib.checkpoint import read_config
from tests.networks import FAMILIES, TwoBlocks, randomise, undecided

CLIP = (3, 4, 24, 24)


def narrow(classes=4, **options):
    backbone = dance.create_model("r2plus1d_narrow", classes, CLIP)
    return undecided(Dance(randomise(backbone), CLIP, **options))


def header_of(path):
    """(metadata, {name: {dtype, shape, data_offsets}}), read by the format's own few words."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    return header.pop("__metadata__", {}), header, len(raw) - 8 - length


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run.safetensors"
    return dance.save(narrow(), path, classes=("a", "b", "c", "d"))


@pytest.fixture
def file(saved, tmp_path):
    """A copy of one checkpoint, to be damaged at will."""
    return Path(shutil.copy(saved, tmp_path))


# ------------------------------------------------------------------ round trips
def test_a_network_comes_back_whole(tmp_path):
    net = narrow(axes=("features", "channels"), grid=5, group_size=4, mean=[0.1, 0.2, 0.3], std=0.5)
    net.train()(torch.rand(4, *CLIP))  # statistics and counters move
    path = dance.save(net, str(tmp_path / "run.safetensors"))
    back = dance.load(path)
    assert not any(m.training for m in back.modules())
    assert back.clip_shape == CLIP
    assert back.controller.axes == ("channels", "features")
    assert (back.grid, back.structure.group_size) == (5, 4)
    assert all(torch.equal(t, back.state_dict()[n]) for n, t in net.state_dict().items())
    clip = torch.rand(3, *CLIP)
    net.eval()
    with torch.no_grad():
        assert torch.equal(back(clip), net(clip))
        plan, other = net.plan(clip), back.plan(clip)
    assert all(torch.equal(plan.mask(u), other.mask(u)) for u in plan.units)
    assert dance.load(dance.save(back, tmp_path / "again.safetensors")).clip_shape == CLIP


@pytest.mark.parametrize("reads", ["stem", "pixels", "average", "layer2"])
def test_what_the_controller_reads_comes_back(tmp_path, reads):
    net = narrow(reads=reads).eval()
    path = dance.save(net, tmp_path / "run.safetensors")
    assert read_config(path).reads == reads
    back = dance.load(path)
    assert back.reads == reads
    assert back.controller.opened == net.controller.opened
    clip = torch.rand(3, *CLIP)
    plan, other = net.plan(clip), back.plan(clip)
    assert all(torch.equal(plan.mask(u), other.mask(u)) for u in plan.units)
    with torch.no_grad():
        assert torch.equal(back(clip), net(clip))


def test_a_checkpoint_that_does_not_say_reads_the_stem(file):
    config = json.loads(read_config(file).model_dump_json())
    assert config.pop("reads") == "stem"
    assert dance.load(rewritten(file, dance="1", config=json.dumps(config))).reads == "stem"


def test_a_checkpoint_that_reads_a_branch_of_another_model(file):
    config = json.loads(read_config(file).model_dump_json()) | {"reads": "layer9"}
    with pytest.raises(dance.DanceError, match=r"reads one of stem, .*not 'layer9'"):
        dance.load(rewritten(file, dance="1", config=json.dumps(config)))


def test_the_configuration_alone(file):
    config = read_config(file)
    assert (config.model, config.num_classes, config.clip_shape) == ("r2plus1d_narrow", 4, CLIP)
    assert config.classes == ("a", "b", "c", "d")


def test_a_backbone_of_ones_own(tmp_path):
    net = Dance(randomise(TwoBlocks()), TwoBlocks.clip).eval()
    path = dance.save(net, tmp_path / "own.safetensors")
    with pytest.raises(
        CheckpointError, match=r"backbone of its author's own: load\(path, backbone"
    ):
        dance.load(path)
    clip = torch.rand(2, *TwoBlocks.clip)
    with torch.no_grad():
        assert torch.equal(dance.load(path, backbone=TwoBlocks())(clip), net(clip))


def test_layouts_and_shared_tensors_are_saved(tmp_path):
    """channels_last weights, and one tensor under two names, are no reason to fail."""
    backbone = randomise(TwoBlocks())
    backbone.same = backbone.fc
    backbone.to(memory_format=torch.channels_last_3d)
    net = Dance(backbone, TwoBlocks.clip).eval()
    path = dance.save(net, tmp_path / "own.safetensors")
    twin = TwoBlocks()
    twin.same = twin.fc
    clip = torch.rand(2, *TwoBlocks.clip)
    with torch.no_grad():
        torch.testing.assert_close(dance.load(path, backbone=twin)(clip), net(clip))


# ------------------------------------------------------------------ what the file is
def test_the_file_holds_numbers_and_text_alone(file):
    """safetensors by hand: eight bytes of length, JSON, raw numbers to the last byte."""
    metadata, header, data = header_of(file)
    assert set(metadata) == {"dance", "config"}
    assert json.loads(metadata["config"])["model"] == "r2plus1d_narrow"
    ends = sorted(tuple(t["data_offsets"]) for t in header.values())
    assert ends[0][0] == 0
    assert all(a[1] == b[0] for a, b in pairwise(ends))
    assert ends[-1][1] == data  # nothing hides behind the tensors
    assert {t["dtype"] for t in header.values()} <= {"F32", "I64"}
    assert not file.read_bytes().startswith((b"PK", b"\x80"))  # torch.save's zip, a bare pickle


def test_saving_is_atomic(file, monkeypatch):
    before = file.read_bytes()

    def fails(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr("dance_lib.checkpoint.save_file", fails)
    with pytest.raises(CheckpointError, match=r"can't write .*run.safetensors: disk full"):
        dance.save(narrow(), file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_places_that_can_not_be_written(tmp_path):
    for path in (tmp_path / "nowhere" / "run.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="can't write"):
            dance.save(narrow(), path)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ what is refused
def test_missing_files(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        for read in (dance.load, read_config):
            with pytest.raises(CheckpointError, match="no checkpoint at"):
                read(path)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header", "pickle"])
def test_files_that_can_not_be_read(file, damage):
    raw = file.read_bytes()
    if damage == "pickle":
        torch.save({"net": torch.ones(3)}, file)
    else:
        file.write_bytes(
            {"empty": b"", "text": b"weights" * 99, "cut": raw[:-100], "header": raw[:40]}[damage]
        )
    with pytest.raises(CheckpointError, match=r"run\.safetensors is no readable checkpoint: ."):
        dance.load(file)


def rewritten(file, **metadata):
    """The same tensors under other metadata."""
    tensors = load_file(file)
    save_file(tensors, file, {k: v for k, v in metadata.items() if v is not None} or None)
    return file


def test_safetensors_of_somebody_else(file):
    for metadata in ({}, {"format": "pt"}, {"dance": "99", "config": "{}"}):
        with pytest.raises(CheckpointError, match=r"no checkpoint of this library \(format 1\)"):
            dance.load(rewritten(file, **metadata))


@pytest.mark.parametrize(
    "config",
    [
        None,
        "not json",
        "[]",
        "{}",
        '{"clip_shape": [3, 4, 24]}',
        '{"clip_shape": [3, 4, 24, 0]}',
        '{"clip_shape": [3, 4, 24, 24], "axes": ["time"]}',
        '{"clip_shape": [3, 4, 24, 24], "run": "rm -r"}',
    ],
)
def test_configurations_that_make_no_sense(file, config):
    with pytest.raises(CheckpointError, match=r"run\.safetensors is no readable checkpoint: ."):
        dance.load(rewritten(file, dance="1", config=config))


def test_another_model(file):
    with pytest.raises(CheckpointError) as caught:
        dance.load(file, backbone=dance.create_model("r2plus1d_narrow", 7, CLIP))
    assert "fits another model than this Sequential: 2 tensors differ" in str(caught.value)
    assert "'backbone.fc.weight' the first" in str(caught.value)
    message = r"fits another model than this PreActivation: \d+ tensors differ, 'backbone\.stem\."
    with pytest.raises(CheckpointError, match=message):
        dance.load(file, backbone=FAMILIES["pre-activation"]())
    config = json.dumps({**json.loads(read_config(file).model_dump_json()), "model": "r3d_19"})
    with pytest.raises(dance.DanceError, match="unknown model 'r3d_19'"):
        dance.load(rewritten(file, dance="1", config=config))


@pytest.mark.parametrize("name", ["backbone.odd", "backbone.fc.bias"])
def test_a_tensor_too_many_or_too_few(file, name):
    tensors = load_file(file)
    tensors.pop(name, None) if name.endswith("bias") else tensors.update({name: torch.ones(1)})
    config = read_config(file).model_dump_json()
    save_file(tensors, file, {"dance": "1", "config": config})
    with pytest.raises(CheckpointError, match=rf"1 tensors differ, '{name}' the first"):
        dance.load(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_neither_written_nor_read(file, value):
    """The last good checkpoint stays; the message names the tensor."""
    good = file.read_bytes()
    net = narrow()
    with torch.no_grad():
        net.backbone.get_submodule(net.structure.channel_owners[0]).weight[0] = value
    named = rf"'backbone\.{net.structure.channel_owners[0]}\.weight' holds NaN or infinite values"
    with pytest.raises(CheckpointError, match=f"can't write .*{named}"):
        dance.save(net, file)
    assert file.read_bytes() == good
    metadata, _, _ = header_of(file)
    save_file({n: t.contiguous().clone() for n, t in net.state_dict().items()}, file, metadata)
    with pytest.raises(CheckpointError, match=f"{named}; go back to an earlier checkpoint"):
        dance.load(file)


def test_loading_calls_no_unpickler(file, monkeypatch):
    """Neither torch's nor Python's own."""
    monkeypatch.setattr(torch, "load", None)
    monkeypatch.setattr("pickle.Unpickler", None)
    dance.load(file)
