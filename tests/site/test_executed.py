"""Which executed notebooks a run folder holds, and which run folder is meant."""

import pytest

from dance_lib.errors import DanceError
from dance_lib.site.executed import find_executed, newest_run


def test_notebooks_come_in_the_order_of_the_manifest_with_their_runs(study):
    (study.run_folder / "notebooks" / "notes.ipynb").write_text("{}")  # not the study's
    (study.run_folder / "runs" / "99_claims.csv").unlink()
    found = find_executed(study.run_folder, study.root)
    assert [(e.notebook, e.draws, e.run is None) for e in found] == [
        ("03_aap", False, False), ("11_fig_tradeoff", True, False), ("99_claims", True, True)
    ]  # fmt: skip
    assert found[0].parameters["rate"] == 0.5
    assert found[2].parameters == {}


def test_a_page_has_a_name_for_an_address_and_a_title_for_readers(study):
    study.run("03_aap.seed=1.arm=a%2Fb", "03_aap", seed=1, arm="a/b")
    first, second, *_ = find_executed(study.run_folder, study.root)
    assert (first.page, first.title) == ("03_aap-seed-0-arm-aap", "03 Train, seed 0, arm aap")
    assert (second.page, second.title) == ("03_aap-seed-1-arm-a-2Fb", "03 Train, seed 1, arm a/b")


@pytest.mark.parametrize(
    "folder", ["results/small/tables", "results/none", "results/paper/protocol.md"]
)
def test_a_folder_without_any_is_refused(study, folder):
    with pytest.raises(DanceError, match="no executed notebook of the study; `dance reproduce`"):
        find_executed(study.root / folder, study.root)


@pytest.mark.parametrize("text", ["", "a\n1\n", "parameters\n{}\n", "run_id\na\nb\n"])
def test_a_row_that_does_not_tell_how_a_run_was_made_is_refused(study, text):
    study.write("results/small/runs/99_claims.csv", text)
    with pytest.raises(DanceError, match=r"99_claims\.csv does not tell how a run was made"):
        find_executed(study.run_folder, study.root)


def test_the_default_run_is_meant_once_its_report_is_drawn(study):
    assert newest_run(study.root) == study.root / "results/reference/full"
    study.write("results/default/runs/11_fig_tradeoff.csv", "")
    assert newest_run(study.root) == study.root / "results/reference/full"
    study.write("results/default/runs/99_claims.csv", "")
    assert newest_run(study.root) == study.root / "results/default"
