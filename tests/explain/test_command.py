"""`dance predict` as the library does it: what is said, what is written, what is refused."""

from importlib.metadata import version

import pandas as pd
import pytest
import torch

import dance_lib as dance
from dance_lib.checkpoint import CheckpointError
from dance_lib.data.clips import as_clips
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.explain import command
from dance_lib.explain.command import Asked, predict
from dance_lib.explain.videos import Found, read_clips
from tests.explain.made import CLASSES, CLIP, checkpoint, network, video
from tests.networks import TwoBlocks


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture(scope="module")
def saved(net, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("checkpoint"), net)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two videos that decode, one that does not, and a file that is none."""
    folder = tmp_path_factory.mktemp("videos")
    video(folder / "left" / "a b.mp4")
    video(folder / "right" / "ü.mp4", start=7)
    (folder / "broken.avi").write_text("no video")
    (folder / "notes.txt").write_text("nor this")
    return folder


class Heard:
    def __init__(self):
        self.said, self.complained = [], []

    def predict(self, *arguments, **options):
        options.setdefault("rounds", 0)
        predict(Asked(*arguments, **options), self.said.append, self.complained.append)
        return self.said


def test_a_row_a_video_holds_what_the_network_and_the_meter_say(net, saved, folder, tmp_path):
    csv = tmp_path / "rows.csv"
    heard = Heard()
    heard.predict(saved, [folder], csv=csv, clips=2, rounds=1)
    table = pd.read_csv(csv)
    names = ["left/a b.mp4", "right/ü.mp4"]
    assert list(table["path"]) == [str(folder / name) for name in names]
    fast = dance.sparse(net)
    for row, path in zip(table.to_dict("records"), table["path"], strict=True):
        clips = as_clips(read_clips(Found(path=folder / path, inside=path), CLIP[1:], 2).frames)
        plan = net.plan(clips)
        with torch.no_grad():
            probabilities = net(clips).softmax(1).mean(0)
        assert row["class"] == CLASSES[int(probabilities.argmax())]
        assert row["probability"] == pytest.approx(probabilities.max().item(), abs=1e-6)
        counted = dance.count(fast, plan).sum(numeric_only=True)
        assert row["dense_macs"] == counted["dense_macs"] / 2
        assert row["mac_ratio"] == pytest.approx(counted["ideal_macs"] / counted["dense_macs"])
        executed = counted["executed_macs"] / counted["dense_macs"]
        assert row["executed_mac_ratio"] == pytest.approx(executed)
        for axis in ("frames", "channels", "features"):
            kept = getattr(plan, axis)
            units = net.structure.units.values()
            shares = [kept[u.name].float().mean().item() * u.dense_macs for u in units]
            expected = sum(shares) / sum(u.dense_macs for u in units)
            assert row[f"kept_{axis}"] == pytest.approx(expected)
            assert 0 < row[f"kept_{axis}"] < 1
        assert row["dense_ms"] > 0
        assert row["sparse_ms"] > 0
        assert (row["clips"], row["rounds"], row["threads"]) == (2, 1, 1)
        assert (row["checkpoint"], row["kind"]) == (str(saved), "measured")
        assert row["torch"] == version("torch")
        assert {"commit", "dirty", "device", "instruction_set", "python", "date"} <= set(row)
    assert heard.said[-1] == f"rows in {csv}"


def test_several_videos_are_a_table_and_what_does_not_decode_is_named(saved, folder):
    heard = Heard()
    heading, first, second, summary = heard.predict(saved, [folder])
    assert heading.split() == ["video", "class", "prob.", "R", "executed", "frames", "channels",
                               "features"]  # fmt: skip
    assert first.startswith(str(folder / "left" / "a b.mp4"))
    assert second.startswith(str(folder / "right" / "ü.mp4"))
    assert summary == "2 videos, 1 skipped"
    [complaint] = heard.complained
    assert complaint.startswith(f"skipped: {folder / 'broken.avi'}: does not open as a video")


def test_one_video_is_told_at_length(saved, folder):
    path = folder / "left" / "a b.mp4"
    first, *lines = Heard().predict(saved, [path], top=2, rounds=1)
    assert first == f"{path}: 2.00 s, 16 frames of 48 × 32, seen as 1 clip of 8 × 32 × 32"
    titles = [line[:9].strip() for line in lines]
    assert titles[:9] == ["class", "", "MACs", "kept", "", "", "", "", "latency"]
    shares = [float(line.split()[-1].rstrip("%")) for line in lines[:2]]
    assert 100 >= shares[0] >= shares[1]
    assert [line.split()[0] for line in lines[4:8]] == ["layer1", "layer2", "layer3", "all"]
    assert "times as fast" in lines[8]
    assert lines[9].startswith("times: median of 1 run in turns, one clip at a time, 1 thread of ")
    assert lines[10].startswith("dense: PyTorch without pruning")
    assert lines[11].startswith("sparse: dance_lib.sparse, which skips what the plan drops")


def test_a_video_that_decodes_keeps_the_others_away_from_the_status(saved, folder):
    with pytest.raises(DecodeError, match=r"broken\.avi: does not open as a video"):
        Heard().predict(saved, [folder / "broken.avi"])
    heard = Heard()
    with pytest.raises(DataError, match="none of 2 videos decodes; the reasons are above"):
        heard.predict(saved, [folder / "broken.avi", folder / "notes.txt"])
    assert len(heard.complained) == 2


def test_explained_videos_keep_their_folders(saved, folder, tmp_path):
    out = tmp_path / "out"
    said = Heard().predict(saved, [folder], explain=out)
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.mp4")) == [
        "left/a b.mp4",
        "right/ü.mp4",
    ]
    assert said[-1] == f"explained in {out}"


def test_a_dense_checkpoint_keeps_everything_and_says_so(tmp_path, folder):
    torch.manual_seed(0)
    dense = dance.Dance(dance.create_model("r2plus1d_narrow", 3, CLIP), CLIP)
    saved, csv = checkpoint(tmp_path, dense.eval(), ()), tmp_path / "rows.csv"
    said = Heard().predict(saved, [folder], csv=csv)
    assert said[4].startswith("all is kept, as a controller does that was not trained")
    table = pd.read_csv(csv)
    assert (table[["kept_frames", "kept_channels", "kept_features"]] == 1).all(axis=None)
    assert set(table["class"]) <= {"class 0", "class 1", "class 2"}


def test_a_controller_that_the_sparse_executor_can_not_run_is_told(tmp_path, folder):
    torch.manual_seed(0)
    blind = dance.Dance(dance.create_model("r2plus1d_narrow", 3, CLIP), CLIP, reads="average")
    saved, csv = checkpoint(tmp_path, blind.eval()), tmp_path / "rows.csv"
    said = Heard().predict(saved, [folder], csv=csv, rounds=1)
    assert said[0].startswith(
        "note: without a sparse executor, since the controller reads 'average'"
    )
    table = pd.read_csv(csv)
    assert table[["executed_mac_ratio", "sparse_ms"]].isna().all(axis=None)
    assert (table["dense_ms"] > 0).all()
    assert not any(line.startswith("sparse:") for line in said)


def test_a_backbone_of_its_authors_own_needs_the_library(tmp_path, folder):
    torch.manual_seed(0)
    own = checkpoint(tmp_path, dance.Dance(TwoBlocks(), TwoBlocks.clip), tuple("abcde"))
    with pytest.raises(CheckpointError, match=r"can't build: in Python, net = dance_lib\.load"):
        Heard().predict(own, [folder])


def test_what_was_found_is_kept_when_it_is_stopped(saved, folder, tmp_path, monkeypatch):
    decide, csv = command.decide, tmp_path / "rows.csv"

    def stopped_at_the_second(net, clips):
        if csv.with_name("first").exists():
            raise KeyboardInterrupt
        csv.with_name("first").touch()
        return decide(net, clips)

    monkeypatch.setattr(command, "decide", stopped_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        Heard().predict(saved, [folder], csv=csv)
    assert list(pd.read_csv(csv)["path"]) == [str(folder / "left" / "a b.mp4")]


@pytest.mark.parametrize("name", ["nowhere/rows.csv", "left/a b.mp4", "left"])
def test_a_table_that_can_not_be_written_is_refused_before_work(saved, folder, name):
    with pytest.raises(DataError, match=r"can't write|name another file"):
        Heard().predict(saved, [folder], csv=folder / name)
    assert (folder / "left" / "a b.mp4").stat().st_size > 100


def test_a_table_takes_the_place_of_nothing_else(saved, folder, tmp_path):
    before, video, gif = saved.read_bytes(), folder / "left" / "a b.mp4", tmp_path / "out.gif"
    for csv in (saved, gif):
        with pytest.raises(DataError, match="name another file"):
            Heard().predict(saved, [video], csv=csv, explain=gif)
    assert saved.read_bytes() == before


@pytest.mark.shared_data
def test_real_videos_turned_damaged_and_empty(saved, shared_data):
    heard = Heard()
    assert heard.predict(saved, [shared_data / "odd_videos"])[-1] == "3 videos, 2 skipped"
    damaged, empty = heard.complained
    assert "decord_corrupted.mp4: damaged after 28 frames" in damaged
    assert empty.endswith("empty_258bytes_ImgVideo.mp4: holds no video stream")
