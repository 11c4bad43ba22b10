"""From a run folder to a folder of pages, and nothing else is touched."""

import errno
import re
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest

from dance_lib.atomic import UnwritableError
from dance_lib.errors import DanceError
from dance_lib.site import build, reference
from tests.site.made import HOSTILE

# what Sphinx tells the makers of its theme and extensions
pytestmark = pytest.mark.filterwarnings("ignore::sphinx.deprecation.RemovedInSphinx11Warning")
REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "full"
LOADED = re.compile(r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"([^\"]*)\"|<link\b[^>]*>")


@pytest.fixture
def build_quickly(monkeypatch):
    """Build with one page of the library."""
    monkeypatch.setattr(reference, "PAGES", ("dance_lib.errors",))
    return build.build_site


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def contents(folder):
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def pages(folder):
    return {file.name: file.read_text(encoding="utf-8") for file in folder.rglob("*.html")}


def test_sphinx_warns_of_nothing_and_every_page_is_there(small_site):
    folder, warnings = small_site
    assert warnings == []
    assert {"index.html", "11_fig_tradeoff.html", "99_claims.html", "03_aap-seed-0-arm-aap.html",
            "protocol.html", "provenance.html", "reference.html"} <= set(pages(folder))  # fmt: skip


def test_a_page_has_folded_code_outputs_a_command_and_provenance(small_site):
    html = pages(small_site[0])["11_fig_tradeoff.html"]
    assert "Show the code" in html
    assert html.index("draw") < html.index("<strong>42</strong>") < html.index("<h2>Make this page")
    assert "--only 11_fig_tradeoff -p seed=0" in html
    assert "<td>03_aap.seed=0.arm=aap</td>" in html
    assert "a warning with a path" not in html


def test_every_picture_is_described(small_site):
    for name, html in pages(small_site[0]).items():
        for picture in re.findall(r"<img\b[^>]*>", html):
            assert re.search(r'alt="[^"]{5,}"', picture), (name, picture)
    assert 'alt="Bars of two networks."' in pages(small_site[0])["11_fig_tradeoff.html"]


def test_labels_are_text_on_every_page(small_site):
    whole = pages(small_site[0])
    assert not any(HOSTILE in html or "<script>bad()" in html for html in whole.values())
    for name in ("index.html", "11_fig_tradeoff.html", "99_claims.html"):
        assert "&lt;script&gt;bad()&lt;/script&gt;" in whole[name]


def test_nothing_is_loaded_from_elsewhere(small_site):
    whole = pages(small_site[0])
    assert all(LOADED.search(html) for html in whole.values())
    for name, html in whole.items():
        for loaded in LOADED.finditer(html):
            assert "//" not in loaded[0], (name, loaded[0])
    for style in small_site[0].rglob("*.css"):
        assert not re.search(
            r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text(encoding="utf-8")
        )


def test_the_run_folder_is_only_read(study, build_quickly, tmp_path):
    before = contents(study.root)
    build_quickly(study.run_folder, tmp_path / "pages", study.root)
    assert contents(study.root) == before
    assert names(tmp_path) == ["pages", "study"]  # no scratch is left


def test_a_site_is_made_anew_as_a_whole(study, build_quickly, tmp_path):
    out = tmp_path / "pages"
    build_quickly(study.run_folder, out, study.root)
    (study.run_folder / "notebooks" / "99_claims.ipynb").unlink()
    build_quickly(study.run_folder, out, study.root)
    assert "99_claims.html" not in pages(out)


def test_other_files_are_not_replaced(study, build_quickly, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for out in (tmp_path / "mine", tmp_path / "mine" / "notes.txt", study.run_folder):
        with pytest.raises(DanceError, match="is not a site that could be made anew"):
            build_quickly(study.run_folder, out, study.root)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_a_folder_that_may_not_be_written_is_told(study, build_quickly, tmp_path, monkeypatch):
    def refuse(dir, prefix):
        raise PermissionError(errno.EACCES, "Permission denied", str(dir / prefix))

    monkeypatch.setattr(build, "TemporaryDirectory", refuse)
    with pytest.raises(UnwritableError, match=r"site can't be written: Permission denied; choose"):
        build_quickly(study.run_folder, tmp_path / "site", study.root)


def test_a_failure_leaves_the_pages_that_were_there(study, build_quickly, tmp_path):
    out = tmp_path / "pages"
    build_quickly(study.run_folder, out, study.root)
    before = contents(out)
    study.write("results/small/notebooks/99_claims.ipynb", "half a notebo")
    with pytest.raises(DanceError, match="is not a notebook"):
        build_quickly(study.run_folder, out, study.root)
    assert contents(out) == before
    assert names(tmp_path) == ["pages", "study"]


def test_a_notebook_that_failed_says_so(study, build_quickly, tmp_path):
    (study.run_folder / "runs" / "99_claims.csv").unlink()
    assert build_quickly(study.run_folder, tmp_path / "pages", study.root) == []
    assert "This notebook did not come to its end" in pages(tmp_path / "pages")["99_claims.html"]


@pytest.mark.parametrize("value", ["<script>bad()</script>", "a\nb <c>", "`x` *y* [z](w)", "ü/|:"])
def test_a_value_in_a_name_is_text(study, build_quickly, tmp_path, value):
    study.run(f"03_aap.seed=0.arm={quote(value, safe='')}", "03_aap", seed=0, arm=value, rate=0.5)
    assert build_quickly(study.run_folder, tmp_path / "pages", study.root) == []
    title = escape(f"03 Train, seed 0, arm {' '.join(value.split())}", quote=False)
    assert f">{title}</a>" in pages(tmp_path / "pages")["index.html"]


@pytest.mark.slow
def test_the_reference_run_has_pages_and_the_whole_library(reference_site):
    folder, warnings = reference_site
    assert warnings == []
    found = pages(folder)
    for notebook in REFERENCE.glob("notebooks/*.ipynb"):
        assert f"{notebook.stem}.html" in found
    assert 'id="dance_lib.PruningPlan"' in found["dance_lib.html"]
    assert 'id="dance_lib.train.train_joint"' in found["dance_lib.train.html"]
