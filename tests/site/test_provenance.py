"""How a page tells what it was made with."""

import shutil

from dance_lib.site.executed import find_executed
from dance_lib.site.provenance import read_runs, runs_behind, shown


def behind(study, notebook):
    found = next(e for e in find_executed(study.run_folder, study.root) if e.notebook == notebook)
    return [run["run_id"].split("@")[0] for run in runs_behind(found, study.run_folder, study.root)]


def test_behind_a_notebook_are_the_runs_it_gathers(study):
    study.run("03_aap.seed=1.arm=aap", "03_aap", seed=1, arm="aap", rate=0.5)
    study.run("03_aap.seed=0.arm=frames", "03_aap", seed=0, arm="frames", rate=0.5)
    one = "small/03_aap.seed=0.arm=aap"
    assert behind(study, "11_fig_tradeoff") == ["small/11_fig_tradeoff", one]  # of seed 0 alone
    assert behind(study, "99_claims") == ["small/99_claims", one, "small/03_aap.seed=1.arm=aap"]
    assert behind(study, "03_aap") == [one]


def test_they_lie_in_the_folder_that_it_draws_from(study):
    shutil.copytree(study.run_folder / "runs", study.root / "results" / "other" / "runs")
    for file in (study.run_folder / "runs").glob("03*"):
        file.unlink()
    source = {"source": "results/other", "seed": [0], "arm": ["aap"]}
    study.run("99_claims", "99_claims", **source)
    assert behind(study, "99_claims") == ["small/99_claims", "small/03_aap.seed=0.arm=aap"]
    assert behind(study, "11_fig_tradeoff") == ["small/11_fig_tradeoff"]


def test_a_notebook_that_did_not_end_has_nothing_to_tell(study):
    (study.run_folder / "runs" / "99_claims.csv").unlink()
    assert behind(study, "99_claims") == []


def test_what_runs_share_is_told_once(study):
    alike, rows = shown(read_runs(study.run_folder))
    assert alike["device"] == "a processor"
    assert alike["commit"] == "01234567"
    assert alike["took"] == "62 s"
    assert alike["files changed"] == "none"
    assert alike["versions"].startswith("python 3.11, torch 2.13, torchvision unknown")
    assert rows.to_dict("list") == {
        "run": ["03_aap.seed=0.arm=aap", "11_fig_tradeoff", "99_claims"],
        "seed": ["0", "0", "0, 1"],
    }
