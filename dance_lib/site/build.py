"""`dance site`: from a run folder to pages that open without a network."""

import io
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from dance_lib.atomic import writing
from dance_lib.errors import DanceError
from dance_lib.site.reference import INDEX, in_rst, plain_properties, plain_signature
from dance_lib.site.sources import write_sources

TITLE = "DANCE, reconstructed"
A_SITE = "searchindex.js"  # the file by which a folder is known to be one
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SETTINGS: dict[str, Any] = {
    "project": TITLE,
    "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "root_doc": "index",
    "html_theme": "sphinx_book_theme",
    "html_title": TITLE,
    "html_static_path": [str(Path(__file__).parent / "static")],
    "html_css_files": ["site.css"],
    "html_copy_source": False,
    "html_use_index": False,  # the search finds names
    "html_domain_indices": False,
    "html_show_search_summary": False,  # it would fetch pages, which file:// does not allow
    "html_context": {"default_mode": "light"},
    "html_theme_options": {
        "use_download_button": False,
        "use_fullscreen_button": False,
        "home_page_in_toc": True,
        "show_toc_level": 2,
        "footer_content_items": [],
        "secondary_sidebar_items": {f"{INDEX}/*": ["page-toc"], "index": ["page-toc"]},
        "navbar_persistent": [],  # the search stands in the side bar
    },
    "nb_execution_mode": "off",
    "nb_ipywidgets_js": {},  # would come from another machine
    "nb_code_prompt_show": "Show the code",
    "nb_code_prompt_hide": "Hide the code",
    "autodoc_typehints_format": "short",
    "autodoc_member_order": "bysource",
}


def build_site(run_folder: Path, out: Path, root: Path) -> list[str]:
    """Render the executed notebooks of a run folder into `out`, and return Sphinx's warnings.

    What the run folder holds is read only. `out` is replaced as a whole once all pages are there.

    Raises:
        DanceError: there is no executed notebook, or `out` can't be written or holds something
            other than a site.
    """
    if out.exists() and not (out / A_SITE).is_file() and (out.is_file() or any(out.iterdir())):
        raise DanceError(f"{out} is not a site that could be made anew: give another folder")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        place = TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.")
    with place as scratch:
        sources, pages = Path(scratch, "sources"), Path(scratch, "pages")
        sources.mkdir()
        write_sources(sources, run_folder, root)
        warnings = _render(sources, pages, Path(scratch, "trees"))
        if out.exists():
            shutil.rmtree(out)
        pages.rename(out)
    return warnings


def _render(sources: Path, pages: Path, trees: Path) -> list[str]:
    said = io.StringIO()
    with patch_docutils(), docutils_namespace():  # or a second build meets what the first left
        app = Sphinx(sources, None, pages, trees, "html", SETTINGS, status=None, warning=said)
        app.connect("autodoc-process-docstring", in_rst, priority=400)  # before napoleon's
        app.connect("autodoc-process-signature", plain_signature)
        app.connect("doctree-read", plain_properties)
        app.build()
    for file in (pages / "_static").glob("*webpack-macros.html"):
        file.unlink()  # templates of the themes, no pages
    shutil.rmtree(pages / "_sources", ignore_errors=True)  # empty
    return [COLOURS.sub("", line) for line in said.getvalue().splitlines() if line.strip()]
