import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from dance_lib.data import (
    ClipSampling,
    ClipSet,
    DataError,
    DigitsSettings,
    batches,
    open_clips,
    size_only_accuracy,
    size_only_predictions,
)
from dance_lib.data.rendering import render
from dance_lib.data.scene import draw_scene

SMALL = DigitsSettings(train=18, val=0, test=9, resolution=32)


def open_small(cache_root, **more) -> ClipSet:
    arguments = {"split": "train", "clip_shape": (3, 16, 32, 32), "workers": 1} | more
    return open_clips("digits", cache_root=cache_root, digits=SMALL, **arguments)


@pytest.fixture(scope="module")
def cache_root(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_digits_are_made_and_opened(cache_root):
    train = open_small(cache_root)
    assert len(train) == 18
    assert train.classes == tuple(sorted(train.table["label"].unique()))
    assert len(train.classes) == 9
    for name in ("action_start", "x0", "difficulty", "video_frames"):
        assert name in train.table
    assert (cache_root / f"digits-{SMALL.hash}" / "manifest.csv").is_file()
    assert sum(len(rows) for _, _, rows in batches(train, 8)) == 18


def test_what_was_rendered_is_what_is_read(cache_root):
    test = open_small(cache_root, split="test")
    for row, name in enumerate(test.table["id"]):
        rendered = render(draw_scene(SMALL, "test", int(name[-5:])), 32).frames / 255
        read = test[row][0].permute(1, 2, 3, 0).numpy()
        error = np.abs(read[:, None] - rendered[None]).mean(axis=(2, 3, 4))  # (T, T)
        assert error.diagonal().max() < 0.03  # compression
        label = test.table["label"][row]
        if label != "rest" and test.table["action_frames"][row] > 8:
            middle = int(test.table["action_start"][row]) + 4
            assert error[middle].argmin() == middle  # every frame in its place


def test_hash_names_the_data(cache_root, tmp_path):
    assert open_small(cache_root).hash == open_small(tmp_path).hash
    assert open_small(cache_root).hash != open_small(cache_root, split="test").hash
    assert open_small(cache_root).hash != open_small(cache_root, clip_shape=(8, 32, 32)).hash


def test_limit(cache_root):
    assert open_small(cache_root, limit=9).table["label"].nunique() == 9
    few = open_small(cache_root, limit=2)
    names = [few.classes[target] for target in few.table["target"]]
    assert names == few.table["label"].tolist()  # counted among all nine, not among those left
    assert len(few.classes) == 9


@pytest.mark.parametrize("clip_shape", [(16, 32), (1, 16, 32, 32), (0, 32, 32)])
def test_clip_shapes_that_make_no_sense(cache_root, clip_shape):
    with pytest.raises(DataError, match=r"clip_shape must be \(3, T, H, W\) or \(T, H, W\)"):
        open_small(cache_root, clip_shape=clip_shape)


def test_real_sets_need_a_root(cache_root):
    with pytest.raises(DataError, match="folder needs data_root"):
        open_clips("folder", split="train", clip_shape=(2, 16, 16), cache_root=cache_root)


@pytest.fixture
def folds(tmp_path, write_video, grey):
    """Four groups with a wide and a narrow video each; one video does not decode."""
    rows = []
    for group in range(4):
        for label, width in (("point", 16), ("push", 32)):
            path = f"{group}_{label}.mkv"
            write_video(f"set/{path}", grey([10 * group] * 3, width=width))
            rows.append(
                {"path": path, "label": label, "group": group, "fold": group % 2, "clip": 7}
            )
    rows.append({"path": "bad.mkv", "label": "push", "group": 0, "fold": 0})
    (tmp_path / "set/bad.mkv").write_bytes(b"")
    pd.DataFrame(rows).to_csv(tmp_path / "set/labels.csv", index=False)
    return tmp_path / "set"


def open_fold(folds, split: str, **more) -> ClipSet:
    arguments = {"fold": 0, "clip_shape": (2, 16, 16), "workers": 1} | more
    return open_clips("csv", folds, split=split, cache_root=folds.parent / "cache", **arguments)


def test_folds_share_one_cache(folds):
    train, test = open_fold(folds, "train"), open_fold(folds, "test")
    assert train.table["group"].tolist() == [1, 1, 3, 3]
    assert test.table["group"].tolist() == [0, 0, 2, 2]
    assert train.skipped.empty
    assert test.skipped["path"].tolist() == ["bad.mkv"]
    assert open_fold(folds, "test", fold=1).table["path"].equals(train.table["path"])
    assert len(list((folds.parent / "cache").glob("*/clips.npy"))) == 1
    assert test.batch([2])[0].max().item() * 255 == pytest.approx(20)  # the grey of group 2


def test_clips_of_a_video_share_its_row(folds):
    test = open_fold(folds, "test", sampling=ClipSampling(clips_per_video=2))
    assert (
        test.table["path"].tolist()
        == ["0_point.mkv"] * 2 + ["0_push.mkv"] * 2 + ["2_point.mkv"] * 2 + ["2_push.mkv"] * 2
    )
    assert test.table["clip"].tolist() == [0, 1] * 4
    assert test.table["clip_listed"].tolist() == [7] * 8  # the table's own column of that name
    assert test.targets.tolist() == [0, 0, 1, 1] * 2


def test_size_only_baseline(folds):
    train, test = open_fold(folds, "train"), open_fold(folds, "test")
    assert size_only_predictions(train, test).tolist() == [0, 1, 0, 1]
    assert size_only_accuracy(train, test) == 1.0  # width tells it all


def test_strict(folds):
    with pytest.raises(DataError, match=r"bad.mkv: does not open"):
        open_fold(folds, "train", strict=True)


def test_import_of_the_library_leaves_the_data_alone():
    code = (
        "import sys, dance_lib; assert not {'dance_lib.data', 'av', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.shared_data
def test_real_clips_by_fold(shared_data, tmp_path):
    root = shared_data / "ut_interaction"
    arguments = {"fold": 0, "limit": 12, "clip_shape": (4, 32, 32), "cache_root": tmp_path}
    train = open_clips("csv", root, split="train", **arguments)
    test = open_clips("csv", root, split="test", **arguments)
    assert train.classes == ("handshake", "hug", "kick", "point", "punch", "push")
    assert not set(train.table["group"]) & set(test.table["group"])
    assert len(train) == len(test) == 12
    assert (train.table["video_width"] == train.table["width"]).all()
