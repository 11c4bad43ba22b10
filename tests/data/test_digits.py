import hashlib
from pathlib import Path

import pandas as pd
import pytest

from dance_lib.data.actions import ACTIONS
from dance_lib.data.digits import DigitsSettings, make_digits
from dance_lib.data.errors import DataError
from dance_lib.errors import DanceError

SMALL = DigitsSettings(train=18, val=9, test=9, resolution=32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_digits(tmp_path_factory.mktemp("sets") / "small", SMALL, workers=1)


@pytest.fixture(scope="module")
def manifest(small: Path) -> pd.DataFrame:
    return pd.read_csv(small)


def contents(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.mark.usefixtures("two_cores")
def test_same_bytes_whatever_the_number_of_workers(small, tmp_path):
    parallel = make_digits(tmp_path / "parallel", SMALL, workers=2)
    assert contents(parallel.parent) == contents(small.parent)


def test_a_clip_does_not_depend_on_how_many_there_are(small, manifest, tmp_path):
    fewer = make_digits(
        tmp_path / "fewer", SMALL.model_copy(update={"train": 10, "val": 0}), workers=1
    )
    for path in pd.read_csv(fewer)["path"]:
        assert (fewer.parent / path).read_bytes() == (small.parent / path).read_bytes()


def test_another_seed_gives_other_clips(small, manifest, tmp_path):
    other = make_digits(
        tmp_path / "other", SMALL.model_copy(update={"seed": 1, "train": 1}), workers=1
    )
    path = manifest["path"][0]
    assert (other.parent / path).read_bytes() != (small.parent / path).read_bytes()


def test_classes_are_balanced_and_lie_in_class_folders(small, manifest):
    counts = manifest.groupby(["split", "label"]).size().unstack()
    assert (counts.loc["train"] == 2).all()
    assert (counts.loc["test"] == 1).all()
    assert set(counts.columns) == set(ACTIONS)
    for row in manifest.itertuples():
        assert row.path == f"{row.split}/{row.label}/{row.id}.mp4"
        assert (small.parent / row.path).is_file()


def test_ground_truth(manifest):
    rest = manifest["label"] == "rest"
    truth = manifest[["action_start", "action_end", "x0", "y0", "x1", "y1"]]
    assert truth[rest].isna().all(axis=None)
    acting = manifest[~rest]
    assert (acting["action_end"] - acting["action_start"] == acting["action_frames"]).all()
    assert acting["action_frames"].between(4, 12).all()
    assert acting["action_start"].ge(1).all()
    assert acting["action_end"].le(16).all()
    assert (acting["x0"] < acting["x1"]).all()
    assert (acting["y0"] < acting["y1"]).all()
    assert truth.loc[~rest, ["x0", "y0", "x1", "y1"]].stack().between(0, 1).all()
    assert (manifest.loc[rest, "action_frames"] == 0).all()


def test_strata(manifest):
    assert manifest["size"].between(1 / 6 - 1e-4, 1 / 4 + 1e-4).all()
    assert manifest["distractors"].between(1, 3).all()
    assert set(manifest["camera"]) <= {"none", "pan", "shake"}
    assert set(manifest["difficulty"]) <= {"easy", "medium", "hard"}
    assert manifest["difficulty"].nunique() > 1


def test_no_handwriting_is_shared_between_splits(manifest):
    shown = {
        split: {int(digit) for digits in part["digits"] for digit in digits.split()}
        for split, part in manifest.groupby("split")
    }
    assert not shown["train"] & shown["test"]
    assert not shown["train"] & shown["val"]
    assert not shown["val"] & shown["test"]


def test_complete_set_is_reused_and_another_replaced(tmp_path):
    settings = SMALL.model_copy(update={"train": 2, "val": 0, "test": 0})
    manifest = make_digits(tmp_path / "set", settings, workers=1)
    made = manifest.stat().st_mtime_ns
    assert make_digits(tmp_path / "set", settings, workers=1).stat().st_mtime_ns == made
    make_digits(tmp_path / "set", settings.model_copy(update={"train": 3}), workers=1)
    assert len(pd.read_csv(manifest)) == 3


def test_half_written_set_is_done_again(tmp_path):
    unfinished = tmp_path / "set.unfinished" / "train" / "rest"
    unfinished.mkdir(parents=True)
    (unfinished / "train_00099.mp4").write_bytes(b"torn")
    settings = SMALL.model_copy(update={"train": 1, "val": 0, "test": 0})
    make_digits(tmp_path / "set", settings, workers=1)
    assert [path.name for path in (tmp_path / "set").rglob("*.mp4")] == ["train_00000.mp4"]
    assert not (tmp_path / "set.unfinished").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="exists and is no set of digits"):
        make_digits(tmp_path, SMALL)
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"action_frames": (3, 9)}, "action_frames must lie in 4 to 15"),
        ({"action_frames": (4, 16)}, "action_frames must lie in 4 to 15"),
        ({"travel": (0.3, 0.2)}, r"travel must be \(lowest, highest\)"),
        ({"resolution": 63}, "multiple of 2"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_make_no_sense(wrong, message):
    with pytest.raises(DanceError, match=message):
        DigitsSettings(**wrong)


def test_hash_names_the_settings():
    assert DigitsSettings().hash == DigitsSettings().hash
    assert DigitsSettings().hash != DigitsSettings(jitter=0).hash


def test_settings_of_clips_that_a_network_takes():
    settings = DigitsSettings.of_clips(16, 56, train=9, val=0, test=9)
    assert (settings.frames, settings.resolution, settings.action_frames) == (16, 56, (4, 12))
    assert (settings.train, settings.val, settings.test) == (9, 0, 9)
    assert DigitsSettings.of_clips(8, 32).action_frames == (4, 6)
    with pytest.raises(DanceError, match=r"DigitsSettings: resolution: .* multiple of 2"):
        DigitsSettings.of_clips(16, 57)
