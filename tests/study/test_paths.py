import pytest

from dance_lib.errors import DanceError
from dance_lib.study import paths


def test_values_stand_before_the_extension():
    values = {"seed": 0, "ava": "cv", "budget": 0.5}
    assert (
        paths.with_values("tables/03_aap/clips.csv", values)
        == "tables/03_aap/clips.seed=0.ava=cv.budget=0.5.csv"
    )
    assert paths.with_values("runs/10_table.csv", {}) == "runs/10_table.csv"


def test_a_value_cannot_leave_its_folder_or_look_like_a_wildcard():
    assert paths.suffix({"dataset": "../{x} y"}) == ".dataset=..%2F%7Bx%7D%20y"


def test_the_root_is_found_from_below(made):
    assert paths.find_root(made.root / "notebooks" / "profiles") == made.root


def test_outside_a_study_there_is_no_root(tmp_path):
    with pytest.raises(DanceError, match="is not inside the study"):
        paths.find_root(tmp_path)


def test_a_relative_path_means_the_same_in_the_root_and_in_notebooks(made, monkeypatch):
    found = []
    for folder in (made.root, made.root / "notebooks"):
        monkeypatch.chdir(folder)
        found.append(paths.resolve("results/small"))
    assert found == [made.run_folder] * 2
    assert paths.resolve("../elsewhere", made.root) == made.root.parent / "elsewhere"
    assert paths.resolve(made.root) == made.root
