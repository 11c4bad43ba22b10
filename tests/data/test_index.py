from pathlib import Path

import pandas as pd
import pytest

from dance_lib.data.errors import DataError
from dance_lib.data.index import load_index
from dance_lib.data.splits import limit_clips
from dance_lib.errors import DanceError


@pytest.fixture
def table(tmp_path):
    """Write labels.csv and an empty file for each path in it."""

    def write(text: str, *, files: bool = True, name: str = "labels.csv") -> Path:
        (tmp_path / name).write_text(text.replace(" ", ""))
        if files:
            for line in text.split()[1:]:
                (tmp_path / line.split(",")[0]).touch()
        return tmp_path

    return write


FOLDS = """path,label,group,fold
a1.mp4,a,1,0
b1.mp4,b,1,0
a2.mp4,a,2,1
b2.mp4,b,2,1
a3.mp4,a,3,2
b3.mp4,b,3,2
a4.mp4,a,4,2
b4.mp4,b,4,2"""


def test_split_column(table):
    root = table("path,label,split,author\na.mp4,x,train,me\nb.mp4,y,training,me\nc.mp4,y,test,you")
    index = load_index("csv", root)
    assert list(index) == ["path", "label", "target", "split", "author"]
    assert index["split"].tolist() == ["train", "train", "test"]
    assert load_index("csv", root, split="test")["path"].tolist() == ["c.mp4"]


def test_fold_is_the_test_part(table):
    index = load_index("csv", table(FOLDS), fold=1)
    assert index["path"][index["split"] == "test"].tolist() == ["a2.mp4", "b2.mp4"]
    assert (index["split"] == "train").sum() == 6


def test_validation_takes_whole_groups(table):
    index = load_index("csv", table(FOLDS), fold=0, val_fraction=0.34, seed=3)
    held = index[index["split"] == "val"]
    assert len(held) == 4  # two of the three groups left, rounded up
    assert held["group"].value_counts().tolist() == [2, 2]


def test_group_on_both_sides(table):
    with pytest.raises(DataError, match="group 3 is in fold 2 and outside it"):
        load_index("csv", table(FOLDS + "\nc.mp4,a,3,0"), fold=2)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (FOLDS, {}, "choose the fold to test on: fold= one of 0, 1, 2"),
        (FOLDS, {"fold": 7}, "no fold 7; there are 0, 1, 2"),
        (FOLDS, {"fold": 0, "val_fraction": 1.5}, "val_fraction=1.5: Input should be less than 1"),
        (FOLDS, {"fold": 0, "split": "val"}, "no clips in split 'val'; there are test, train; put"),
        ("path,label,split\na.mp4,x,train", {"fold": 1}, "a set without folds"),
        ("path,label,split\na.mp4,x,dev", {}, "unknown split 'dev'; known are train, val, test"),
        ("path,label\na.mp4,x", {}, r"no column fold, group \(or split\); it has path, label"),
        ("file,label,split\na.mp4,x,test", {}, "no column path; it has file, label, split"),
        ("path,label,split", {}, "a table without rows"),
        ("", {}, "not a CSV table"),
        ("path,label,split\na.mp4,,train", {}, "row 2 lacks its label"),
        (
            "path,label,split\na.mp4,x,train\na.mp4,y,test",
            {},
            "a.mp4 is listed twice",
        ),
        (
            "path,label,split\na.mp4,walk,train\nb.mp4,run,train\nc.mp4,Walk,test",
            {},
            "labels differ between splits: test has Walk, train has not",
        ),
        ("path,label,split\na.mp4,x,train\nb.mp4,x,test", {}, "only one class, x"),
    ],
)
def test_what_can_be_wrong_with_a_table(table, text, arguments, message):
    with pytest.raises(DanceError, match=message):
        load_index("csv", table(text), **arguments)


def test_missing_file(table):
    root = table("path,label,split\na.mp4,x,train\nb.mp4,y,train\nc.mp4,y,test", files=False)
    (root / "a.mp4").touch()
    told = "2 of 3 listed clips are missing, the first is b.mp4; add the files or take them off"
    with pytest.raises(DataError, match=told):
        load_index("csv", root)


@pytest.mark.parametrize("path", ["../a.mp4", "x/../../a.mp4", "/etc/hostname"])
def test_paths_out_of_the_root(table, tmp_path, path):
    root = table(f"path,label,split\n{path},x,train\nb.mp4,y,test", files=False)
    with pytest.raises(DataError, match=r"leads outside .*; move or link .*allow_outside=True"):
        load_index("csv", root)


def test_paths_out_of_the_root_by_consent(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "a.mp4").touch()
    (inner / "b.mp4").touch()
    (inner / "labels.csv").write_text("path,label,split\n../a.mp4,x,train\nb.mp4,y,train\n")
    assert len(load_index("csv", inner, allow_outside=True)) == 2


def test_which_table(table, tmp_path):
    text = "path,label,split\na.mp4,x,train\nb.mp4,y,train"
    root = table(text, name="mine.csv")
    assert len(load_index("csv", root)) == 2  # the only one
    table(text, name="yours.csv")
    with pytest.raises(DataError, match="2 CSV tables in it; call the right one labels"):
        load_index("csv", root)
    assert len(load_index("csv", root, table="yours.csv")) == 2
    with pytest.raises(DataError, match=r"theirs.csv: no such table"):
        load_index("csv", root, table="theirs.csv")


def test_unknown_data_set_and_folder(tmp_path):
    with pytest.raises(DataError, match="unknown data set 'imagenet'; known are digits, ucf101"):
        load_index("imagenet", tmp_path)
    with pytest.raises(DataError, match="no such folder; it must hold the videos"):
        load_index("csv", tmp_path / "nowhere")


def test_limit_takes_classes_in_proportion():
    labels = ["a"] * 8 + ["b"] * 4
    index = pd.DataFrame(
        {
            "path": [f"{n}.mp4" for n in range(24)],
            "label": labels * 2,
            "split": ["train"] * 12 + ["test"] * 12,
        }
    )
    few = limit_clips(index, 6, seed=0)
    counts = few.groupby(["split", "label"]).size()
    assert counts.to_dict() == {
        ("test", "a"): 4,
        ("test", "b"): 2,
        ("train", "a"): 4,
        ("train", "b"): 2,
    }
    assert few["path"].tolist() == sorted(few["path"], key=lambda path: int(path[:-4]))
    assert limit_clips(index, 100, seed=0).equals(index)
    with pytest.raises(DataError, match="limit must be at least 1"):
        limit_clips(index, 0)
