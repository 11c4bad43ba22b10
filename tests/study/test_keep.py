import json
import lzma

import pandas as pd
import pytest

from dance_lib import study
from dance_lib.errors import DanceError
from dance_lib.study.keep import keep
from dance_lib.study.settings import Settings


@pytest.fixture
def finished(made):
    """The run folder of a batch, written by hand: one finished job, and one that is under way."""
    folder = made.run_folder
    for name in ("runs", "tables/01_make", "tables/02_add", "checkpoints/01_make", "notebooks"):
        (folder / name).mkdir(parents=True)
    (folder / "runs" / "01_make.seed=0.csv").write_text("run_id\na\n")
    (folder / "runs" / "10_show.csv").write_text("run_id\nb\n")
    (folder / "tables/01_make/values.seed=0.csv").write_text("value,kind\n1,measured\n")
    (folder / "tables/01_make/large.seed=0.csv").write_text("value\n" + "12345\n" * 20_000)
    (folder / "tables/02_add/sums.seed=0.way=cv.csv").write_text("half a tab")
    (folder / "checkpoints/01_make/net.seed=0.safetensors").write_text("weights")
    (folder / "notebooks/01_make.seed=0.ipynb").write_text("{}")
    (folder / "notebooks/10_show.ipynb").write_text("{}")
    Settings.choose("small", {}, None, {}, set()).write(folder)
    return folder


def kept_files(target):
    return sorted(str(file.relative_to(target)) for file in target.rglob("*") if file.is_file())


def test_tables_provenance_and_drawn_notebooks_of_finished_jobs_are_kept(made, finished, tmp_path):
    target = tmp_path / "kept"
    assert keep(finished, target, made.root) == 6
    assert kept_files(target) == [
        "notebooks/10_show.ipynb",
        "runs/01_make.seed=0.csv",
        "runs/10_show.csv",
        "settings.json",
        "tables/01_make/large.seed=0.csv.xz",
        "tables/01_make/values.seed=0.csv",
    ]
    text = lzma.decompress((target / "tables/01_make/large.seed=0.csv.xz").read_bytes())
    assert text == (finished / "tables/01_make/large.seed=0.csv").read_bytes()


def test_keeping_again_changes_what_has_changed(made, finished, tmp_path):
    target = tmp_path / "kept"
    keep(finished, target, made.root)
    assert keep(finished, target, made.root) == 0
    (finished / "tables/01_make/values.seed=0.csv").write_text("value,kind\n2,measured\n")
    assert keep(finished, target, made.root) == 1


def test_a_table_that_grows_or_shrinks_is_kept_once(made, finished, tmp_path):
    target = tmp_path / "kept"
    table, kept = finished / "tables/01_make/values.seed=0.csv", target / "tables/01_make"
    small = table.read_text()
    for text, name in [(small, ""), (small * 20_000, ".xz"), (small, "")]:
        table.write_text(text)
        keep(finished, target, made.root)
        assert [f.name for f in kept.glob("values.seed=0*")] == [f"values.seed=0.csv{name}"]


def test_a_compressed_table_is_read_as_any_other(made, finished, tmp_path, monkeypatch):
    target = tmp_path / "kept"
    keep(finished, target, made.root)
    monkeypatch.chdir(made.root)
    for folder in (finished, target):
        table = study.read(folder, "01_make", "large", seed=0)
        pd.testing.assert_series_equal(table["value"], pd.Series([12345] * 20_000, name="value"))


def test_of_what_is_asked_for_a_kept_folder_gives_what_has_run(
    made, finished, tmp_path, monkeypatch
):
    target = tmp_path / "kept"
    keep(finished, target, made.root)
    monkeypatch.chdir(made.root)
    assert study.read(target, "01_make", "values", seed=[1, 0])["seed"].tolist() == [0]
    assert study.read(target, "02_add", "sums", seed=[0], way=["cv"]).empty
    with pytest.raises(study.MissingProductError, match=r"01_make/values\.seed=1\.csv is missing"):
        study.read(finished, "01_make", "values", seed=[1, 0])  # a batch makes all
    (target / "tables/01_make/values.seed=0.csv").unlink()
    with pytest.raises(study.MissingProductError, match=r"01_make/values\.seed=0\.csv is missing"):
        study.read(target, "01_make", "values", seed=[1, 0])  # it has run


def test_what_is_drawn_from_kept_tables_does_not_change_their_settings(made, finished, tmp_path):
    target = tmp_path / "kept"
    keep(finished, target, made.root)
    drawn = Settings.choose("small", {"source": "kept"}, "drawn", {}, set())
    drawn.write(finished)
    keep(finished, target, made.root)
    kept = Settings.read(target)
    assert kept.kept
    assert kept.command == "dance reproduce --profile small"


def test_a_folder_without_a_finished_run_is_refused(made, tmp_path):
    with pytest.raises(DanceError, match="holds no finished run"):
        keep(tmp_path, tmp_path / "kept", made.root)


def test_a_run_folder_is_not_kept_in_itself(made, finished):
    before = kept_files(finished)
    with pytest.raises(DanceError, match="the run folder itself"):
        keep(finished, finished, made.root)
    assert kept_files(finished) == before


def test_a_kept_notebook_names_no_place_of_this_machine(made, finished, tmp_path):
    made_by = {"papermill": {"input_path": "/a/b.ipynb", "output_path": "/c.ipynb", "duration": 1}}
    said = [
        {"output_type": "stream", "name": "stderr", "text": "/home/me/x.py:1: UserWarning"},
        {"output_type": "stream", "name": "stdout", "text": "3 rows"},
    ]
    cells = [{"cell_type": "markdown", "source": "# Sums"}, {"cell_type": "code", "outputs": said}]
    notebook = finished / "notebooks" / "10_show.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": made_by}))
    keep(finished, tmp_path / "kept", made.root)
    content = json.loads((tmp_path / "kept" / "notebooks" / "10_show.ipynb").read_text())
    assert content["metadata"]["papermill"] == {"duration": 1}
    assert content["cells"] == [cells[0], {"cell_type": "code", "outputs": said[1:]}]
