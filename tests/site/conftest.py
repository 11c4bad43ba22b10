"""A study made for these tests, and the pages of it."""

from pathlib import Path

import pytest

from dance_lib.site import reference
from dance_lib.site.build import build_site
from tests.site import made


@pytest.fixture
def study(tmp_path):
    """A finished run folder, to be changed at will."""
    return made.finished(tmp_path / "study")


@pytest.fixture(scope="session")
def small_site(tmp_path_factory):
    """Its pages, with one page of the library; and what Sphinx warned of."""
    root = tmp_path_factory.mktemp("site")
    study = made.finished(root / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "PAGES", ("dance_lib.errors",))
        warnings = build_site(study.run_folder, root / "pages", study.root)
    return root / "pages", warnings


@pytest.fixture(scope="session")
def reference_site(tmp_path_factory):
    """The pages of the committed run, and what Sphinx warned of."""
    root = Path(__file__).parents[2]
    out = tmp_path_factory.mktemp("reference") / "pages"
    return out, build_site(root / "results" / "reference" / "full", out, root)
