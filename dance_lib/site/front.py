"""The first page: the claims and what became of them, the key figure, and how much has run."""

from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader

from dance_lib.analysis.claims import claims_answer, load_claims
from dance_lib.site import drawn
from dance_lib.site.executed import Executed
from dance_lib.site.extent import Extent
from dance_lib.site.page import Page
from dance_lib.site.safe import safe_markdown
from dance_lib.study import paths

CLAIMS, KEY_FIGURE = "99_claims", "11_fig_tradeoff"
MARKS = {
    "reproduced": "✓",
    "partly": "≈",
    "consistent": "∼",
    "inconclusive": "?",
    "not reproduced": "✗",
    "not tested": "–",
}
ABOUT = """\
# DANCE, reconstructed

A 3D CNN recognises what happens in a video, and works as hard on an easy clip as on a difficult
one. **DANCE** prunes it clip by clip: a tiny controller looks at the output of the first layer and
decides which frames, channels and places of the picture the other layers may leave out. That saves
multiply-accumulates (MACs) and should cost next to no accuracy.

This is an open reconstruction of [the paper](https://arxiv.org/abs/2603.17275), of which only the
abstract was at hand: what it claims, what we found, and every table and figure behind that.
"""
VERDICTS = """\
✓ *reproduced*: the whole 95 % interval of our figure keeps the bound. ≈ *partly*: the figure does,
its interval does not. ✗ *not reproduced*: the figure misses it.
"""
FEW = """\
So few test clips can't carry a margin of a point: ∼ *consistent*: our figure keeps the bound. ?
*inconclusive*: some of its interval does. ✗ *not reproduced*: none of it does.
"""
UNITS = """\
– *not tested*: nothing at hand decides it. Points are percentage points of accuracy; all other
figures are ratios or shares.
"""


def front_page(executed: list[Executed], run_folder: Path, root: Path) -> Page:
    """Return the first page of a run folder's site."""
    by_name = {notebook.notebook: notebook for notebook in executed if notebook.draws}
    extent = Extent(by_name.get(CLAIMS), run_folder, root)
    verdicts = _verdicts(run_folder)
    page = Page().words(ABOUT)
    _add_claims(page, verdicts, root)
    if KEY_FIGURE in by_name:
        _add_figure(page, by_name[KEY_FIGURE])
    page.words("## How much of it has run").text(extent.summary()).table(extent.jobs())
    _add_untested(page, verdicts, extent)
    titles = {notebook.page: notebook.title for notebook in executed}
    return page.words("## Every notebook").links(titles)


def _add_claims(page: Page, verdicts: pd.DataFrame, root: Path) -> None:
    page.words("## What became of the claims")
    if verdicts.empty:
        page.words(f"Not judged yet in this run; `dance reproduce --only {CLAIMS}` does that.")
        return
    source = load_claims(root / paths.RESULTS / "paper" / "claims.yaml").source
    few = verdicts["verdict"].isin(["consistent", "inconclusive"]).any()
    page.html(safe_markdown(claims_answer(verdicts, source))).words(
        (FEW if few else VERDICTS) + UNITS
    )
    template = Environment(loader=PackageLoader("dance_lib.site"), autoescape=True).get_template(
        "claims.html"
    )
    for whose, heading in (("abstract", "Claims of the abstract"), ("ours", "Targets of our own")):
        rows = verdicts[verdicts["of"] == whose].to_dict("records")
        if rows:
            page.words(f"### {heading}").html(template.render(rows=rows, marks=MARKS))


def _add_figure(page: Page, executed: Executed) -> None:
    notebook = drawn.read(executed)
    for png, alt in drawn.pictures(notebook, executed.title)[:1]:
        about = notebook.cells[0].source.split("\n\n", 1)[-1]  # below its heading
        page.words("## Accuracy against work").picture(png, alt)
        page.words(f"{about} [Table and notebook]({executed.page}.ipynb)")


def _add_untested(page: Page, verdicts: pd.DataFrame, extent: Extent) -> None:
    page.words("## What was not tested")
    rows = verdicts[verdicts["verdict"] == "not tested"] if len(verdicts) else verdicts
    left_out = [f"{row.claim}: not tested, {row.note}." for row in rows.itertuples()]
    not_run = "; ".join(extent.not_run())
    page.items(left_out + ([f"Arms and rivals without a run: {not_run}."] if not_run else []))


def _verdicts(run_folder: Path) -> pd.DataFrame:
    file = run_folder / paths.table(CLAIMS, "verdicts")
    return pd.read_csv(file, keep_default_na=False) if file.is_file() else pd.DataFrame()
