"""The command on a page makes it again: read back, it plans the very run that made it."""

import shlex
from pathlib import Path

import pytest

from dance_lib.site.executed import find_executed
from dance_lib.site.regenerate import as_override, commands
from dance_lib.study.graph import plan
from dance_lib.study.values import parse_overrides

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference" / "full"


def planned(command, root):
    """The jobs that a `dance reproduce` would run, by name."""
    dance, reproduce, *words = shlex.split(command)
    assert (dance, reproduce) == ("dance", "reproduce")
    options = list(zip(words[::2], words[1::2], strict=True))
    given = dict(option for option in options if option[0] != "-p")
    jobs = plan(root, given["--profile"], parse_overrides([v for k, v in options if k == "-p"]))
    return {job.name: job for job in jobs if job.notebook == given["--only"]}


@pytest.mark.parametrize(
    "name", [file.stem for file in sorted(REFERENCE.glob("notebooks/*.ipynb"))]
)
def test_a_reference_notebook_is_planned_again_as_it_was_drawn(name):
    (drawn,) = (e for e in find_executed(REFERENCE, ROOT) if e.file.stem == name)
    job = planned(commands(drawn, REFERENCE, ROOT)[0], ROOT)[name]
    made_with = {key: value for key, value in drawn.parameters.items() if key != "results"}
    assert job.parameters == made_with


def of(study, notebook):
    found = next(e for e in find_executed(study.run_folder, study.root) if e.notebook == notebook)
    return commands(found, study.run_folder, study.root)


def test_only_what_differs_from_the_profile_is_said(study):
    assert of(study, "99_claims") == [
        "dance reproduce --profile small --only 99_claims", "dance site results/small"
    ]  # fmt: skip
    assert of(study, "11_fig_tradeoff")[0].endswith("--only 11_fig_tradeoff -p seed=0")
    assert of(study, "03_aap")[0].endswith("--only 03_aap")


def test_a_run_of_other_parameters_is_planned_again(study):
    study.run("03_aap.seed=7.arm=aap", "03_aap", seed=7, arm="aap", rate=0.25)
    odd = next(e for e in find_executed(study.run_folder, study.root) if "7" in e.file.stem)
    command, page = commands(odd, study.run_folder, study.root)
    assert "--name small" in command  # rate would give the folder another name
    assert page == "dance site results/small"
    study.write("notebooks/profiles/small.yml", "description: x\nparameters: {seed: 7, arm: aap}\n")
    job = planned(command.replace(" --name small", ""), study.root)["03_aap.seed=7.arm=aap"]
    assert job.parameters == {"seed": 7, "arm": "aap", "rate": 0.25}


def test_a_profile_that_is_gone_leaves_all_parameters(study):
    study.settings()
    (study.root / "notebooks/profiles/small.yml").unlink()
    assert "-p source=null -p seed=0,1 -p arm=aap" in of(study, "99_claims")[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (0.5, "0.5"), ("a b", "a b"), ([1, 2], "1,2"), ([], "[]"),
     (["a,b", "c"], '["a,b", "c"]'), (["none", "cv"], "none,cv")],
)  # fmt: skip
def test_values_are_written_as_they_are_read(value, text):
    assert as_override(value) == text
