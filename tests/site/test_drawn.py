"""The page of an executed notebook: what is shown, what is folded, what is left out."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dance_lib.errors import DanceError
from dance_lib.site import drawn
from dance_lib.site.executed import find_executed
from tests.site.made import executed, picture, png


def kinds(cells):
    return [(cell.cell_type, cell.metadata.get("tags")) for cell in cells]


def alts(cells):
    return [cell.metadata.mystnb.image.alt for cell in cells if "mystnb" in cell.metadata]


def test_code_is_folded_and_waits_for_its_next_output():
    notebook = executed(
        "seed = 0",
        new_code_cell("read()"),
        new_code_cell("print(1)", outputs=[new_output("stream", name="stdout", text="1")]),
        new_markdown_cell("## Then"),
        new_code_cell("last()"),
    )
    _, shown, then, rest = drawn.cells(notebook, "title")
    assert shown.source == "seed = 0\n\nread()\n\nprint(1)"
    assert shown.metadata.tags == ["hide-input"]
    assert [output.text for output in shown.outputs] == ["1"]
    assert then.source == "## Then"
    assert (rest.source, rest.outputs) == ("last()", [])


def test_every_figure_has_a_cell_and_a_description():
    outputs = [picture("Bars."), picture(), new_output("display_data", {"text/plain": "text"})]
    cells = drawn.cells(executed("a = 1", new_code_cell("draw()", outputs=outputs)), "title")
    assert kinds(cells)[1:] == [("code", ["hide-input"]), *3 * [("code", ["remove-input"])]]
    assert alts(cells) == ["Bars.", "What it is about. Some words on it."]


def test_a_description_from_words_is_of_the_words_before_the_figure_and_not_too_long():
    cells = [
        new_markdown_cell("## Times\n\n" + "word " * 99),
        new_code_cell("", outputs=[picture()]),
    ]
    (alt,) = alts(drawn.cells(executed("a = 1", *cells), "title"))
    assert alt.startswith("Times. word word")
    assert alt.endswith("word …")
    assert len(alt) <= drawn.ALT_LENGTH + 2


def test_a_wide_figure_is_told_apart_for_phones():
    outputs = [picture("a", width=801), picture("b", width=800)]
    cells = drawn.cells(executed("a = 1", new_code_cell("", outputs=outputs)), "title")
    assert [c.metadata.mystnb.image.classes for c in cells if "mystnb" in c.metadata] == [
        "wide", "whole"
    ]  # fmt: skip


def test_warnings_widgets_and_banners_are_left_out():
    widget = {drawn.WIDGET: {"model_id": "1"}, "text/plain": "VBox(...)"}
    outputs = [
        new_output("stream", name="stderr", text="/a/path"),
        new_output("display_data", widget),
    ]
    banner = new_markdown_cell("An Exception", metadata={"tags": ["papermill-error-cell-tag"]})
    cells = drawn.cells(executed("a = 1", banner, new_code_cell("go()", outputs=outputs)), "title")
    assert kinds(cells) == [("markdown", None), ("code", ["hide-input"])]
    assert cells[1].outputs == []


def test_a_failed_cell_shows_why():
    failed = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
    cells = drawn.cells(executed("a = 1", new_code_cell("go()", outputs=[failed])), "title")
    assert cells[-1].outputs == [failed]


def test_a_notebook_without_a_heading_gets_its_title():
    cells = drawn.cells(new_notebook(cells=[new_code_cell("go()")]), "11 Bars")
    assert cells[0].source == "# 11 Bars"


def test_pictures_come_with_their_descriptions():
    notebook = executed("a = 1", new_code_cell("", outputs=[picture("Bars.")]))
    assert drawn.pictures(notebook, "title") == [(png(), "Bars.")]


@pytest.mark.parametrize(
    "content",
    ["", "no json", "{}", "[]", '{"cells": 1, "nbformat": 4}', '{"cells": [{}], "nbformat": 4}'],
)
def test_what_is_no_notebook_is_refused(study, content):
    study.write("results/small/notebooks/11_fig_tradeoff.ipynb", content)
    found = next(e for e in find_executed(study.run_folder, study.root) if e.draws)
    with pytest.raises(DanceError, match=r"11_fig_tradeoff\.ipynb is not a notebook"):
        drawn.cells(drawn.read(found), "title")
