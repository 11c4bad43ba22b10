from pathlib import Path

import pytest

from dance_lib.data.errors import DataError
from dance_lib.data.index import class_names, load_index
from dance_lib.data.layouts import hmdb51_lists, ucf101_lists


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write(path: Path, *lines: str, end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())


# Folders


def test_class_folders_inside_split_folders(tmp_path):
    touch(tmp_path, "train/jump/a.mp4", "train/run fast/ü 1.avi", "validation/jump/b.MP4")
    touch(tmp_path, "train/jump/.hidden.mp4", "train/.cache/c.mp4", "train/jump/notes.txt")
    touch(tmp_path, "test/run fast/deeper/d.mov", "extra/readme.md")
    index = load_index("folder", tmp_path)
    assert index.to_dict("list") == {
        "path": [
            "test/run fast/deeper/d.mov",
            "train/jump/a.mp4",
            "train/run fast/ü 1.avi",
            "validation/jump/b.MP4",
        ],
        "label": ["run fast", "jump", "run fast", "jump"],
        "target": [1, 0, 1, 0],
        "split": ["test", "train", "train", "val"],
    }


def test_links_are_followed_and_not_in_circles(tmp_path):
    """A class may lie on another disk; a link back up would be an endless set."""
    touch(tmp_path, "set/a/1.mp4", "elsewhere/x.mp4", "elsewhere/y.mp4", "one.mp4")
    (tmp_path / "set/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/a/2.mp4").symlink_to(tmp_path / "one.mp4")
    (tmp_path / "set/a/loop").symlink_to(tmp_path / "set/a")
    index = load_index("folder", tmp_path / "set", test_fraction=0.0)
    assert index["path"].tolist() == ["a/1.mp4", "a/2.mp4", "b/x.mp4", "b/y.mp4"]
    (tmp_path / "set/a/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with pytest.raises(DataError, match="1 of 5 listed clips are missing"):
        load_index("folder", tmp_path / "set", test_fraction=0.0)


def test_an_accent_is_one_letter_however_it_is_written(tmp_path):
    """A Mac's copy of a folder has the letter and its accent apart: é, é."""
    touch(tmp_path, "train/ge\u0301ant/1.mp4", "test/g\u00e9ant/2.mp4")
    touch(tmp_path, "train/日本 🏃/1.mp4", "test/日本 🏃/2.mp4")
    index = load_index("folder", tmp_path)
    assert class_names(index) == ["g\u00e9ant", "日本 🏃"]
    assert all((tmp_path / path).is_file() for path in index["path"])


def test_plain_class_folders_are_divided_in_proportion(tmp_path):
    touch(tmp_path, *(f"{label}/{number}.mp4" for label in "ab" for number in range(10)))
    index = load_index("folder", tmp_path, val_fraction=0.25, seed=1)
    counts = index.groupby(["label", "split"]).size().unstack()
    assert counts.loc["a"].to_dict() == {"test": 2, "train": 6, "val": 2}
    assert counts.loc["b"].to_dict() == {"test": 2, "train": 6, "val": 2}
    assert index.equals(load_index("folder", tmp_path, val_fraction=0.25, seed=1))
    assert not index.equals(load_index("folder", tmp_path, val_fraction=0.25, seed=2))


def test_validation_without_test_is_the_test(tmp_path):
    touch(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "val/a/2.mp4")
    assert load_index("folder", tmp_path, split="test")["path"].tolist() == ["val/a/2.mp4"]


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="no class folders with videos"):
        load_index("folder", tmp_path)


def test_class_without_clips(tmp_path):
    touch(tmp_path, "jump/a.mp4", "run/notes.txt")
    with pytest.raises(DataError, match="run: a class without clips"):
        load_index("folder", tmp_path)


def test_too_few_clips_to_divide(tmp_path):
    touch(tmp_path, "a/1.mp4", "b/1.mp4")
    with pytest.raises(DataError, match="too few clips to hold out 20% as test"):
        load_index("folder", tmp_path)


# UCF101


@pytest.fixture
def ucf101(tmp_path):
    lists = tmp_path / "ucfTrainTestlist"
    write(lists / "classInd.txt", "1 Archery", "2 HandstandPushups", end="\r\n")
    write(
        lists / "trainlist01.txt",
        "Archery/v_Archery_g08_c01.avi 1",
        "HandstandPushups/v_HandStandPushups_g08_c01.avi 2",
        "HandstandPushups/v_HandStandPushups_g09_c01.avi 2",
        end="\r\n",
    )
    write(lists / "testlist01.txt", "Archery/v_Archery_g01_c01.avi", end="\r\n")
    touch(
        tmp_path,
        "UCF-101/Archery/v_Archery_g01_c01.avi",
        "UCF-101/Archery/v_Archery_g08_c01.avi",
        "UCF-101/HandstandPushups/v_HandStandPushups_g08_c01.avi",
        "UCF-101/HandStandPushups/v_HandstandPushups_g09_c01.avi",
    )
    return tmp_path


def test_ucf101(ucf101):
    index = load_index("ucf101", ucf101)
    assert class_names(index) == ["Archery", "HandstandPushups"]
    assert index[["path", "target", "split", "group"]].to_numpy().tolist() == [
        ["UCF-101/Archery/v_Archery_g08_c01.avi", 0, "train", "v_Archery_g08"],
        [
            "UCF-101/HandstandPushups/v_HandStandPushups_g08_c01.avi",
            1,
            "train",
            "v_HandStandPushups_g08",
        ],
        [
            "UCF-101/HandStandPushups/v_HandstandPushups_g09_c01.avi",
            1,
            "train",
            "v_HandStandPushups_g09",
        ],
        ["UCF-101/Archery/v_Archery_g01_c01.avi", 0, "test", "v_Archery_g01"],
    ]


def test_ucf101_list_that_contradicts_its_classes(ucf101):
    write(ucf101 / "ucfTrainTestlist/trainlist01.txt", "Archery/v_Archery_g08_c01.avi 2")
    with pytest.raises(DataError, match=r"has label 2, which classInd.txt calls HandstandPushups"):
        load_index("ucf101", ucf101)


def test_ucf101_has_three_splits(ucf101):
    with pytest.raises(DataError, match=r"trainlist02.txt: no such list; put the official"):
        load_index("ucf101", ucf101, fold=2)
    with pytest.raises(DataError, match="official splits 1, 2 and 3, not fold=0"):
        load_index("ucf101", ucf101, fold=0)


def test_missing_clips(ucf101):
    (ucf101 / "UCF-101/Archery/v_Archery_g08_c01.avi").unlink()
    (ucf101 / "UCF-101/Archery/v_Archery_g01_c01.avi").unlink()
    touch(ucf101, "UCF-101/Archery/unlisted.avi")
    with pytest.raises(DataError, match="2 of 4 listed clips are missing, the first is Arch"):
        load_index("ucf101", ucf101)
    with pytest.raises(DataError, match="only one class, HandstandPushups"):
        load_index("ucf101", ucf101, allow_missing=True)


@pytest.mark.shared_data
@pytest.mark.parametrize(("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734)])
def test_official_ucf101_lists(shared_data, split, train, test):
    table = ucf101_lists(shared_data / "splits/ucf101", split)
    assert table["split"].value_counts().to_dict() == {"train": train, "test": test}
    assert table["label"].nunique() == 101
    assert not set(table["group"][table["split"] == "train"]) & set(
        table["group"][table["split"] == "test"]
    )


# HMDB51


def test_hmdb51(tmp_path):
    lists = tmp_path / "lists"
    write(lists / "wave_test_split1.txt", "a b.avi 1 ", "c.avi 2 ", "d.avi 0 ")
    write(lists / "jump_test_split1.txt", "e.avi 1 ", "f.avi 2 ")
    touch(tmp_path, "wave/a b.avi", "wave/c.avi", "wave/d.avi", "jump/e.avi", "jump/f.avi")
    index = load_index("hmdb51", tmp_path, lists=lists)
    assert index[["path", "label", "split"]].to_numpy().tolist() == [
        ["jump/e.avi", "jump", "train"],
        ["jump/f.avi", "jump", "test"],
        ["wave/a b.avi", "wave", "train"],
        ["wave/c.avi", "wave", "test"],
    ]


def test_hmdb51_line_without_flag(tmp_path):
    write(tmp_path / "wave_test_split1.txt", "a.avi yes")
    with pytest.raises(DataError, match=r"'a.avi yes' has no flag 0, 1 or 2"):
        load_index("hmdb51", tmp_path)


def test_no_lists(tmp_path):
    with pytest.raises(DataError, match=r"no \*_test_split1.txt in it; put the official lists"):
        load_index("hmdb51", tmp_path)
    with pytest.raises(DataError, match=r"no CSV in it; put the official lists into .* lists="):
        load_index("kinetics", tmp_path)


@pytest.mark.shared_data
def test_official_hmdb51_lists(shared_data):
    for split in (1, 2, 3):
        table = hmdb51_lists(shared_data / "splits/hmdb51", split)
        assert table["split"].value_counts().to_dict() == {"train": 51 * 70, "test": 51 * 30}
        assert table["label"].nunique() == 51


# Kinetics


@pytest.fixture
def kinetics(tmp_path):
    """Four listed clips, of which one is gone."""
    header = "label,youtube_id,time_start,time_end,split"
    write(
        tmp_path / "annotations/train.csv",
        header,
        "tap dancing,-abc_1,3,13,train",
        "zumba,x,0,10,train",
    )
    write(
        tmp_path / "annotations/validate.csv",
        header,
        "zumba,y,100,110,validate",
        "zumba,gone,1,11,validate",
    )
    touch(
        tmp_path,
        "tap dancing/-abc_1_000003_000013.mp4",
        "zumba/x_000000_000010.mp4",
        "zumba/y_000100_000110.mp4",
    )
    return tmp_path


def test_kinetics(kinetics, caplog):
    index = load_index("kinetics", kinetics, allow_missing=True)
    assert not caplog.records
    assert index[["path", "label", "split"]].to_numpy().tolist() == [
        ["tap dancing/-abc_1_000003_000013.mp4", "tap dancing", "train"],
        ["zumba/x_000000_000010.mp4", "zumba", "train"],
        ["zumba/y_000100_000110.mp4", "zumba", "test"],
    ]
    with pytest.raises(DataError, match=r"1 of 4 listed clips are missing.*gone_000001_000011"):
        load_index("kinetics", kinetics, allow_missing=False)


def test_what_has_vanished_from_kinetics_is_left_out_and_told_once(kinetics, caplog):
    index = load_index("kinetics", kinetics)
    assert index.equals(load_index("kinetics", kinetics, allow_missing=True))
    assert caplog.messages == [
        f"{kinetics}: 1 of 4 listed clips are missing and left out, the first is "
        "zumba/gone_000001_000011.mp4"
    ]
    for video in kinetics.rglob("*.mp4"):
        video.unlink()
    with pytest.raises(DataError, match="4 of 4 listed clips are missing, the first is tap"):
        load_index("kinetics", kinetics)
