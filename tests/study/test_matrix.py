import json

import pandas as pd
import pytest

from dance_lib import study
from dance_lib.errors import DanceError
from dance_lib.study.graph import plan
from dance_lib.study.reproduce import _shared

MATRIX = """
arms:
  plain: {title: Plain, question: the rest is held against it}
  fast: {title: Fast, question: how far it goes, seeds: 2, parameters: {scale: 0.5}}
rivals:
  small: {title: Small, question: is smaller as good, parameters: {scale: 0.25}}
"""
TRAIN = ['results = "results/small"\nseed = 0\nNAME = "plain"\nscale = 1.0']
DRAW = ['results = "results/small"\nsource = None\nseed = [0]\narm = ["plain"]']
ENTRY = """
  {name}:
    title: Train
    fan_out: [seed, {over}]
    products: [tables/{name}/clips.csv]
    minutes: {{small: 1}}
"""
DRAWING = """
  12_draw:
    title: Draw
    needs: [03_train]
    minutes: {small: 1}
"""


@pytest.fixture
def arms(made):
    """The made study with arms, rivals and a notebook that draws the former."""
    (made.root / "notebooks" / "matrix.yml").write_text(MATRIX)
    entries = [
        ENTRY.format(name="03_train", over="arm"),
        ENTRY.format(name="04_rival", over="rival"),
    ]
    made.manifest.write_text(made.manifest.read_text() + "".join(entries) + DRAWING)
    for notebook, over in (("03_train", "arm"), ("04_rival", "rival")):
        made.write_notebook(notebook, [TRAIN[0].replace("NAME", over)])
    made.write_notebook("12_draw", DRAW)
    made.profile.write_text(
        "description: seconds\nparameters: {seed: [4, 5, 6], arm: [plain, fast], rival: [small]}\n"
        "notebooks: {02_add: {way: [none]}, 10_show: {way: [none]}}\n"
    )
    return made


def of(jobs, notebook):
    return {job.name: job for job in jobs if job.notebook == notebook}


def test_an_arm_runs_in_as_many_seeds_as_it_says(arms):
    jobs = plan(arms.root, "small", {})
    assert list(of(jobs, "03_train")) == [
        "03_train.seed=4.arm=plain",
        "03_train.seed=4.arm=fast",
        "03_train.seed=5.arm=plain",
        "03_train.seed=5.arm=fast",
        "03_train.seed=6.arm=plain",
    ]
    assert len(of(jobs, "04_rival")) == 3
    (draw,) = of(jobs, "12_draw").values()
    assert [job.name for job in draw.needs] == list(of(jobs, "03_train"))


def test_parameters_of_an_arm_stand_between_profile_and_command_line(arms):
    arms.profile.write_text(
        arms.profile.read_text().replace("parameters: {", "parameters: {scale: 2, ")
    )
    jobs = of(plan(arms.root, "small", {}), "03_train")
    assert jobs["03_train.seed=4.arm=plain"].parameters["scale"] == 2
    assert jobs["03_train.seed=4.arm=fast"].parameters["scale"] == 0.5
    jobs = of(plan(arms.root, "small", {"scale": "3"}), "03_train")
    assert {job.parameters["scale"] for job in jobs.values()} == {3}


def test_an_arm_the_matrix_does_not_know_is_refused(arms):
    with pytest.raises(
        DanceError, match=r"unknown arm 'fst'; there are: fast, plain; did you mean"
    ):
        plan(arms.root, "small", {"arm": "fst"})


def test_no_rivals_are_no_jobs(arms):
    assert not of(plan(arms.root, "small", {"rival": "[]"}), "04_rival")


def test_what_is_drawn_from_elsewhere_needs_nothing_of_this_run(arms):
    table = arms.root / "results" / "kept" / "tables" / "03_train" / "clips.seed=0.arm=plain.csv"
    table.parent.mkdir(parents=True)
    table.write_text("correct\n1\n")
    jobs = of(plan(arms.root, "small", {"source": "results/kept"}), "12_draw")
    assert jobs["12_draw"].needs == ()
    assert jobs["12_draw"].reads == ("results/kept/tables/03_train/clips.seed=0.arm=plain.csv",)


def test_what_is_typed_is_drawn_from_what_it_makes(arms):
    arms.profile.write_text(
        arms.profile.read_text().replace(
            "notebooks: {", "notebooks: {12_draw: {source: results/kept, seed: [9], arm: [fast]}, "
        )
    )
    (draw,) = of(plan(arms.root, "small", {}), "12_draw").values()
    assert (draw.parameters["source"], draw.parameters["seed"]) == ("results/kept", [9])
    (draw,) = of(plan(arms.root, "small", {"scale": "3"}), "12_draw").values()
    assert (draw.parameters["source"], draw.parameters["seed"]) == (None, [4, 5, 6])
    assert len(draw.needs) == 5


def test_reading_gathers_what_the_matrix_wants(arms, monkeypatch):
    monkeypatch.chdir(arms.root)
    folder = arms.run_folder / "tables" / "03_train"
    folder.mkdir(parents=True)
    for seed, arm in ((4, "plain"), (4, "fast"), (5, "plain"), (5, "fast"), (6, "plain")):
        (folder / f"clips.seed={seed}.arm={arm}.csv").write_text(f"correct\n{seed}\n")
    table = study.read(arms.run_folder, "03_train", "clips", seed=[4, 5, 6], arm=["plain", "fast"])
    assert sorted(zip(table["correct"], table["arm"], strict=True)) == [
        (4, "fast"), (4, "plain"), (5, "fast"), (5, "plain"), (6, "plain")
    ]  # fmt: skip
    assert study.read(arms.run_folder, "04_rival", "clips", seed=[4], rival=[]).empty


def test_an_arm_has_one_of_the_values_that_others_fan_out_over(arms):
    """`way` fans 02_add out; the arm says which one it takes, not the profile's list."""
    arms.write_notebook("03_train", [TRAIN[0].replace("NAME", "arm") + '\nway = "none"'])
    matrix = arms.root / "notebooks" / "matrix.yml"
    matrix.write_text(matrix.read_text().replace("scale: 0.5", "scale: 0.5, way: cv"))
    arms.profile.write_text(
        arms.profile.read_text().replace("parameters: {", "parameters: {way: [none, cv], ")
    )
    jobs = of(plan(arms.root, "small", {}), "03_train")
    assert jobs["03_train.seed=4.arm=plain"].parameters["way"] == "none"
    assert jobs["03_train.seed=4.arm=fast"].parameters["way"] == "cv"
    typed = of(plan(arms.root, "small", {"way": "none"}), "03_train")
    assert typed["03_train.seed=4.arm=fast"].parameters["way"] == "cv"


def test_a_folders_settings_hold_what_all_arms_share(arms):
    jobs = plan(arms.root, "small", {})
    shared = _shared(jobs)["03_train"]
    assert "scale" not in shared  # 1.0 of the one, 0.5 of the other
    assert "arm" not in shared
    assert _shared(jobs)["04_rival"]["scale"] == 0.25


def test_titles_and_values_by_arm(arms, monkeypatch):
    monkeypatch.chdir(arms.root)
    assert study.titles("arm") == {"plain": "Plain", "fast": "Fast"}
    assert study.titles("rival") == {"small": "Small"}
    assert study.parameter_by(arms.run_folder, "03_train", "scale", "arm") == {}
    folder = arms.run_folder / "runs"
    folder.mkdir(parents=True)

    def finished(seed, arm, scale):
        made = {"run_id": f"{seed}{arm}", "notebook": "03_train", "parameters": json.dumps(
            {"seed": seed, "arm": arm, "scale": scale})}  # fmt: skip
        pd.DataFrame([made]).to_csv(folder / f"03_train.seed={seed}.arm={arm}.csv", index=False)

    for seed, arm, scale in ((4, "plain", 1.0), (5, "plain", 1.0), (4, "fast", 0.5)):
        finished(seed, arm, scale)
    found = study.parameter_by(arms.run_folder, "03_train", "scale", "arm")
    assert found == {"plain": 1.0, "fast": 0.5}
    finished(6, "plain", 2.0)
    with pytest.raises(DanceError, match="arm='plain' was run with two 'scale'"):
        study.parameter_by(arms.run_folder, "03_train", "scale", "arm")
