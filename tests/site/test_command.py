"""`dance site` as typed."""

import pytest
from typer.testing import CliRunner

from dance_lib import cli
from dance_lib.site import build


@pytest.fixture
def built(monkeypatch):
    """What the command asks to be built; nothing is."""
    asked = []
    monkeypatch.setattr(build, "build_site", lambda *arguments: asked.append(arguments) or ["odd"])
    return asked


def test_a_run_folder_and_a_place_can_be_named(study, built, tmp_path, monkeypatch):
    monkeypatch.chdir(study.root / "results")
    done = CliRunner().invoke(cli.app, ["site", "small", "--out", str(tmp_path / "pages")])
    assert built == [(study.run_folder, tmp_path / "pages", study.root)]
    assert done.output.splitlines()[-1] == f"open {tmp_path / 'pages' / 'index.html'}"
    assert "odd" in done.stderr


def test_by_default_the_newest_run_becomes_results_site(study, built, monkeypatch):
    monkeypatch.chdir(study.root)
    assert CliRunner().invoke(cli.app, ["site"]).exit_code == 0
    reference = study.root / "results" / "reference" / "full"
    assert built == [(reference, study.root / "results" / "site", study.root)]


def test_outside_a_study_it_is_refused(built, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["site"])
    assert "is not inside the study" in str(done.exception)
    assert built == []
