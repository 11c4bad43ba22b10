import json
from datetime import datetime

import pandas as pd
import pytest

from dance_lib import study
from dance_lib.errors import DanceError
from dance_lib.study.products import merge_runs
from dance_lib.study.settings import Settings

TABLE = pd.DataFrame({"clip": [0, 1], "macs": [10, 20], "kind": "counted"})


@pytest.fixture(autouse=True)
def inside(made, monkeypatch):
    monkeypatch.chdir(made.root / "notebooks")


def add(seed=0, way="cv", results="results/small"):
    return study.Run("02_add", results, seed=seed, way=way)


def test_a_table_comes_back_with_the_values_it_was_fanned_out_over(made):
    run = add(seed=3)
    run.write(TABLE, "sums")
    assert (made.run_folder / "tables/02_add/sums.seed=3.way=cv.csv").is_file()
    back = study.read("results/small", "02_add", "sums", way="cv", seed=3)
    assert list(back.columns) == ["clip", "macs", "kind", "run_id", "seed", "way"]
    assert back.macs.tolist() == [10, 20]
    assert set(back.run_id) == {run.id}
    assert back[["seed", "way"]].drop_duplicates().values.tolist() == [[3, "cv"]]


def test_lists_gather(made):
    for seed in (0, 1):
        for way in ("none", "cv"):
            add(seed, way).write(TABLE, "sums")
    back = study.read("results/small", "02_add", "sums", seed=[0, 1], way=["none", "cv"])
    assert len(back) == 8
    assert back.groupby(["seed", "way"]).macs.sum().tolist() == [30] * 4


def test_a_missing_table_names_itself_and_the_command(made):
    with pytest.raises(study.MissingProductError) as error:
        study.read("results/small", "02_add", "sums", seed=[0], way=["cv"])
    assert "tables/02_add/sums.seed=0.way=cv.csv is missing" in str(error.value)
    assert "dance reproduce --name small --only 02_add -p seed=0 -p way=cv" in str(error.value)


def test_the_command_repeats_what_the_folder_was_made_with(made):
    settings = Settings.choose("small", {"epochs": "3", "seed": "0"}, None, {}, {"seed"})
    assert settings.folder.startswith("small-")
    settings.write(made.root / "results" / settings.folder)
    with pytest.raises(study.MissingProductError) as error:
        study.find(f"results/{settings.folder}", "01_make", "tables/01_make/values.csv", seed=1)
    command = "dance reproduce --profile small -p epochs=3 --only 01_make -p seed=1"
    assert str(error.value).endswith(command)


def test_a_table_is_asked_for_by_the_names_it_fans_out_over():
    with pytest.raises(DanceError, match=r"for each of \(seed, way\), .* by \(seed\)"):
        study.read("results/small", "02_add", "sums", seed=0)
    with pytest.raises(DanceError, match="unknown notebook '03_add'"):
        study.read("results/small", "03_add", "sums", seed=0)


@pytest.mark.parametrize("table", [TABLE.drop(columns="kind"), TABLE.assign(kind="guessed")])
def test_a_row_must_say_where_its_numbers_come_from(made, table):
    with pytest.raises(DanceError, match="the kind of a row is measured, counted,"):
        add().write(table, "sums")
    assert not list(made.run_folder.rglob("*.csv"))


def test_a_run_needs_the_values_it_fans_out_over():
    with pytest.raises(DanceError, match="02_add fans out over way"):
        study.Run("02_add", "results/small", seed=0)


def test_a_broken_write_leaves_the_old_file_and_nothing_else(made):
    run = add()
    run.write(TABLE, "sums")

    class Broken:
        def __str__(self):
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        run.write(pd.DataFrame({"a": [1, Broken()], "kind": "counted"}), "sums")
    (file,) = (path for path in made.run_folder.rglob("*") if path.is_file())
    assert file.name == "sums.seed=0.way=cv.csv"
    assert len(pd.read_csv(file)) == 2


def test_provenance_is_one_row_with_everything(made):
    run = study.Run("01_make", "results/small", seed=4, scale=1.0, epochs=2, note=None)
    run.finish(data_hash="abc")
    row = study.runs("results/small").iloc[0]
    columns = (
        "run_id notebook commit dirty seed device threads instruction_set python torch torchvision "
        "pytorchvideo numpy pandas av scikit-learn data_hash parameters start duration_s "
        "peak_memory_mb"
    )
    assert list(row.index) == columns.split()
    assert row.run_id == run.id
    assert run.id.startswith("small/01_make.seed=4@20")
    assert json.loads(row.parameters) == {"seed": 4, "scale": 1.0, "epochs": 2, "note": None}
    assert (row.seed, row.data_hash, row.commit) == (4, "abc", "unknown")  # no repository here
    assert datetime.fromisoformat(row.start).utcoffset().total_seconds() == 0
    assert row.duration_s >= 0
    assert 10 < row.peak_memory_mb < 10_000
    assert row.torch.startswith("2.13.0")


def test_all_runs_are_gathered_once(made):
    for results in ("results/small", "results/other"):
        add(results=results).finish()
    merge_runs(made.root)
    merge_runs(made.root)
    runs = pd.read_csv(made.root / "results" / "runs.csv")
    assert sorted(run.partition("@")[0] for run in runs.run_id) == [
        "other/02_add.seed=0.way=cv",
        "small/02_add.seed=0.way=cv",
    ]


def test_by_hand_other_parameters_do_not_get_into_a_batchs_folder(made):
    parameters = {"01_make": {"seed": 0, "scale": 1.5, "epochs": 2, "note": None}}
    Settings.choose("small", {}, None, parameters, {"seed"}).write(made.run_folder)
    study.Run("01_make", "results/small", seed=9, scale=1.5, epochs=2, note=None)
    with pytest.raises(DanceError, match="is made with epochs=2, not 3: give another folder"):
        study.Run("01_make", "results/small", seed=0, scale=1.5, epochs=3, note=None)


def test_a_figure_is_written_as_png(made):
    from matplotlib.figure import Figure

    add().figure(Figure(), "bars")
    file = made.run_folder / "figures/02_add/bars.seed=0.way=cv.png"
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("overrides", "name", "folder"),
    [({}, None, "small"), ({"seed": "0,1"}, None, "small"), ({"epochs": "1"}, "mine", "mine")],
)
def test_a_folder_is_named_after_what_is_in_it(overrides, name, folder):
    assert Settings.choose("small", overrides, name, {}, {"seed"}).folder == folder


def test_other_overrides_get_another_folder():
    folders = {
        Settings.choose("small", overrides, None, {}, {"seed"}).folder
        for overrides in ({}, {"epochs": "1"}, {"epochs": "2"}, {"epochs": "1", "scale": "2"})
    }
    assert len(folders) == 4


@pytest.mark.parametrize("name", ["../other", "a b", ".hidden", ""])
def test_a_folders_name_stays_below_results(name):
    with pytest.raises(DanceError, match="--name"):
        Settings.choose("small", {}, name, {}, set())
