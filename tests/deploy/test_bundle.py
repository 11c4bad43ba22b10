"""What `dance bundle` writes: whole, checked, and what the runner's description asks for."""

import hashlib
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import dance_lib as dance
from dance_lib.cli import app
from dance_lib.deploy import bundle as module
from dance_lib.deploy.bundle import TARGETS, bundle
from dance_lib.deploy.codebook import CodebookError, make_codebook
from dance_lib.deploy.convolution import ExportError
from tests.deploy.networks import error, network, run
from tests.networks import TwoBlocks
from tests.train.videos import make_videos


@pytest.fixture(scope="module")
def made():
    return network(TwoBlocks, TwoBlocks.clip)


def written(made, folder, **options):
    net, clips = made
    book = make_codebook(net.plan(clips), net.structure, 2)
    options = {"target": "generic", "name": "two", "codebook": book, **options}
    return bundle(net, folder, clips, **options)


def test_a_bundle_says_all_that_is_in_it(made, tmp_path):
    folder = written(made, tmp_path / "new" / "one", classes=("wave", "<b>"))
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    assert manifest["format"] == 1
    assert (manifest["name"], manifest["target"]) == ("two", "generic")
    assert manifest["clip_shape"] == [3, 4, 8, 8]
    assert manifest["classes"] == ["wave", "<b>"]
    assert list(manifest["forms"]) == ["dense", "dynamic", "codebook"]
    assert manifest["forms"]["codebook"]["networks"] == [
        "networks/stem.onnx", "networks/code_0.onnx", "networks/code_1.onnx"
    ]  # fmt: skip
    ratios = [form["ideal_mac_ratio"] for form in manifest["forms"].values()]
    assert ratios[0] == 1
    assert 0 < ratios[1] < 1
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(manifest["hashes"]) == files - {"bundle.json"}
    assert {"run.py", "power.py", "README.md", "clips.npz"} < files
    for name, digest in manifest["hashes"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_sample_clips_come_with_what_every_form_must_give(made, tmp_path):
    _, clips = made
    folder = written(made, tmp_path)
    with np.load(folder / "clips.npz") as stored:
        assert np.array_equal(stored["clips"], clips.numpy())
        manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        for form, told in manifest["forms"].items():
            files = [folder / name for name in told["networks"]]
            assert error(run(files, clips), torch.from_numpy(stored[f"logits_{form}"])) < 1e-5
        assert not np.allclose(stored["logits_dynamic"], stored["logits_dense"], atol=1e-3)


def test_clips_whose_plan_hangs_on_rounding_are_left_out(made, tmp_path, monkeypatch):
    net, clips = made
    sure = module._steady(net, clips)
    assert sure.all()
    monkeypatch.setattr(module, "_steady", lambda *_: torch.tensor([True, False, True]))
    folder = written(made, tmp_path)
    with np.load(folder / "clips.npz") as stored:
        assert np.array_equal(stored["clips"], clips[[0, 2]].numpy())
    monkeypatch.setattr(module, "_steady", lambda *_: torch.zeros(3, dtype=torch.bool))
    with pytest.raises(ExportError, match="no sample clip whose plan is sure"):
        written(made, tmp_path)


def test_a_gate_near_its_threshold_is_not_sure(made):
    net, clips = made
    with torch.no_grad():
        logits = net.controller(net.statistics(net.stem(clips)))
        name = next(iter(logits.frames))
        row = list(net.structure.branches).index(name)
        nearest = logits.frames[name][1, 2].item()
        before = net.controller.frame_logits.bias.clone()
        net.controller.frame_logits.bias[row] -= nearest  # that gate now stands at its threshold
        assert not module._steady(net, clips)[1]
        net.controller.frame_logits.bias.copy_(before)


def test_without_a_codebook_there_is_none(made, tmp_path):
    folder = written(made, tmp_path, codebook=None)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    assert list(manifest["forms"]) == ["dense", "dynamic"]


def test_a_network_that_gives_something_else_is_not_shipped(made, tmp_path, monkeypatch):
    wrong = module._write

    def write(*arguments):
        made = wrong(*arguments)
        return module._Written(made.form, made.files, made.logits + 0.1, made.ratio)

    monkeypatch.setattr(module, "_write", write)
    with pytest.raises(ExportError, match="dense: sample clip 0 gives logits that differ by"):
        written(made, tmp_path)
    assert not (tmp_path / "bundle.json").exists()


def test_an_earlier_bundle_is_replaced_and_nothing_else(made, tmp_path):
    folder = written(made, tmp_path / "bundle")
    written(made, folder, codebook=None)
    assert not (folder / "networks" / "stem.onnx").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(ExportError, match="holds something that is no bundle"):
        written(made, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    with pytest.raises(ExportError, match="is no folder"):
        written(made, tmp_path / "thesis" / "chapter.tex")


def test_a_bundle_that_fails_leaves_the_earlier_one(made, tmp_path, monkeypatch):
    folder = written(made, tmp_path / "bundle")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    monkeypatch.setattr(module, "TOLERANCE", 0.0)  # which rounding alone misses
    with pytest.raises(ExportError, match="0 is allowed"):
        written(made, folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert list(tmp_path.iterdir()) == [folder]
    monkeypatch.undo()
    written(made, folder, codebook=None)  # and it is no obstacle


def test_every_target_has_a_page(made, tmp_path):
    assert {"generic", "jetson-nano", "snapdragon-8gen1"} == set(TARGETS)
    with pytest.raises(ExportError, match="unknown target 'toaster'; known: generic, jetson-nano"):
        written(made, tmp_path, target="toaster")


# ------------------------------------------------------------------ from the command line
@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    backbone = dance.create_model("r2plus1d_narrow", 9, (3, 8, 32, 32))
    net = dance.Dance(backbone, (3, 8, 32, 32))
    return dance.save(net, tmp_path / "net.safetensors", tuple("abcdefghi"))


def call(*arguments):
    return CliRunner().invoke(app, ["bundle", *map(str, arguments)], catch_exceptions=True)


def test_the_command_clusters_and_writes(checkpoint, tmp_path):
    out = tmp_path / "kit"
    options = ("--codes", 2, "--clips", 3, "--out", out, "--cache", tmp_path / "cache")
    result = call(checkpoint, *options)
    assert result.exit_code == 0, result.output
    assert "codes, clustered from 450 clips" in result.output
    manifest = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    assert manifest["name"] == "r2plus1d_narrow"
    assert manifest["classes"] == list("abcdefghi")
    with np.load(out / "clips.npz") as stored:
        assert stored["clips"].shape == (3, 3, 8, 32, 32)


def test_a_set_of_videos_with_folds_and_a_codebook_of_a_file(checkpoint, tmp_path):
    """What `dance train` and DEVICES.md tell to call."""
    net = dance.load(checkpoint)
    videos = make_videos(tmp_path / "videos", 3, frames=8, size=32)
    rows = [f"{path.relative_to(videos)},{path.parent.name},{i % 3},{i}"
            for i, path in enumerate(sorted(videos.rglob("*.mp4")))]  # fmt: skip
    (videos / "labels.csv").write_text("\n".join(["path,label,fold,group", *rows]))
    book = make_codebook(net.plan(torch.rand(4, *net.clip_shape)), net.structure, 1)
    book.save(tmp_path / "codebook.safetensors")
    options = ("--codebook", tmp_path / "codebook.safetensors", "--target", "jetson-nano",
               "--dataset", "csv", "--data-root", videos, "--cache", tmp_path / "cache",
               "--out", tmp_path / "nano")  # fmt: skip
    assert "choose the fold" in str(call(checkpoint, *options).exception)
    result = call(checkpoint, *options, "--fold", 1)
    assert result.exit_code == 0, result.output
    manifest = json.loads((tmp_path / "nano" / "bundle.json").read_text(encoding="utf-8"))
    assert manifest["target"] == "jetson-nano"
    assert manifest["forms"]["codebook"]["networks"] == [
        "networks/stem.onnx", "networks/code_0.onnx"
    ]  # fmt: skip
    assert "Jetson" in (tmp_path / "nano" / "README.md").read_text(encoding="utf-8")


def test_mistakes_at_the_keyboard(checkpoint, tmp_path):
    assert "unknown target" in str(call(checkpoint, "--target", "toaster").exception)
    missing = call(checkpoint, "--codebook", tmp_path / "none.safetensors", "--out", tmp_path)
    assert isinstance(missing.exception, CodebookError)
    assert isinstance(call(tmp_path / "none").exception, dance.CheckpointError)
