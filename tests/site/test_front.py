"""What the first page tells: verdicts in words, how much has run, what was not tested."""

import pytest

from dance_lib.site.executed import find_executed
from dance_lib.site.front import front_page
from tests.site.made import HOSTILE, png


def cells(study):
    """The first page's cells as text: sources of Markdown, outputs of the rest."""
    executed = find_executed(study.run_folder, study.root)
    page = front_page(executed, study.run_folder, study.root)
    texts = []
    for cell in page.notebook().cells:
        if cell.cell_type == "markdown":
            texts.append(cell.source)
        else:
            data = cell.outputs[0].data
            texts.append(data.get("text/html") or data["image/png"])
    return texts


def below(texts, heading):
    """What follows a heading, up to the next of its rank."""
    start = next(i for i, text in enumerate(texts) if text.startswith(heading))
    rank = heading.split()[0] + " "
    rest = texts[start + 1 :]
    end = next((i for i, text in enumerate(rest) if text.startswith(rank)), len(rest))
    return "\n".join([texts[start], *rest[:end]])


def test_claims_have_verdicts_in_words_with_what_decides_them(study):
    told = below(cells(study), "## What became of the claims")
    assert "1 reproduced, 1 not tested" in told
    assert '<span class="reproduced">✓ reproduced</span>' in told
    assert '<span class="not-tested">– not tested</span>' in told
    assert "<strong>0.450 [0.440, 0.460]</strong><br>bound: ≤ 0.5<br>36 clips, 2 seeds" in told
    assert "(the paper: 1.37×)" in told
    assert "no figure" not in told


@pytest.mark.parametrize("decided", ["consistent", "inconclusive"])
def test_verdicts_of_few_clips_are_explained_as_such(study, decided):
    file = study.run_folder / "tables/99_claims/verdicts.csv"
    file.write_text(file.read_text().replace("reproduced", decided))
    told = below(cells(study), "## What became of the claims")
    assert f" {decided}</span>" in told
    assert f"*{decided}*:" in told
    assert "*partly*" not in told


def test_a_claim_can_not_be_html(study):
    whole = "\n".join(cells(study))
    assert HOSTILE not in whole
    assert "<script" not in whole
    assert "&lt;script&gt;bad()&lt;/script&gt;" in whole


def test_the_key_figure_stands_with_the_words_of_its_notebook(study):
    told = below(cells(study), "## Accuracy against work")
    assert png() in told
    assert "Some **words** on it. [Table and notebook](11_fig_tradeoff.ipynb)" in told


def test_how_much_has_run_is_told_by_notebook(study):
    told = below(cells(study), "## How much of it has run")
    assert "3 of 4 jobs are done of the profile small: a few seconds." in told
    assert "<td>1 of 2</td>\n      <td>03_aap</td>" in told


def test_what_was_not_tested_is_listed(study):
    told = below(cells(study), "## What was not tested")
    assert "not tested, no logs." in told
    assert "Arms and rivals without a run: frames alone." in told


def test_every_page_is_linked(study):
    told = below(cells(study), "## Every notebook")
    assert '<a href="11_fig_tradeoff.html">11 Plans against small networks</a>' in told
    assert '<a href="03_aap-seed-0-arm-aap.html">03 Train, seed 0, arm aap</a>' in told


def test_a_run_in_progress_says_what_is_not_there_yet(study):
    (study.run_folder / "tables/99_claims/verdicts.csv").unlink()
    for name in ("11_fig_tradeoff", "99_claims"):
        (study.run_folder / "notebooks" / f"{name}.ipynb").unlink()
        (study.run_folder / "runs" / f"{name}.csv").unlink()
    texts = cells(study)
    assert "Not judged yet in this run" in below(texts, "## What became of the claims")
    assert not any(text.startswith("## Accuracy") for text in texts)
    assert "1 of 4 jobs are done" in below(texts, "## How much of it has run")


def test_of_tables_drawn_from_another_folder_that_one_counts(study):
    other = study.root / "results" / "other" / "runs"
    other.mkdir(parents=True)
    study.run("99_claims", "99_claims", source="results/other", seed=[0], arm=["aap"])
    told = below(cells(study), "## How much of it has run")
    assert "drawn from the tables in results/other; these count here. 0 jobs are done" in told


@pytest.mark.parametrize("gone", ["settings", "profile"])
def test_without_what_was_planned_only_what_is_done_is_told(study, gone):
    file = {"settings": "results/small/settings.json", "profile": "notebooks/profiles/small.yml"}
    (study.root / file[gone]).unlink()
    told = below(cells(study), "## How much of it has run")
    assert "3 jobs are done; of how many is not known." in told
    assert "1 of ?" in told
