"""Nothing that a table or an answer holds becomes HTML of the page."""

import pytest

from dance_lib.site.safe import safe_html, safe_markdown
from tests.site.made import HOSTILE

PANDAS = """<style type="text/css">
#T_1 td { background: url(https://example.org/x.png); }
</style>
<table id="T_1" class="dataframe" onclick="x()">
<thead><tr><th colspan="2">a &lt; b</th></tr></thead>
<tbody><tr><td id="c1" style="color: red">1</td><td>two<br>lines</td></tr></tbody></table>"""


def test_a_table_of_pandas_keeps_its_structure_and_loses_its_looks():
    assert safe_html(PANDAS).strip() == (
        '<table>\n<thead><tr><th colspan="2">a &lt; b</th></tr></thead>\n'
        "<tbody><tr><td>1</td><td>two<br>lines</td></tr></tbody></table>"
    )


def test_a_tag_that_ends_itself_is_one_tag():
    html = safe_html("<table><tr><td>two<br/>lines <img/></td></tr></table>")
    assert html == "<table><tr><td>two<br>lines &lt;img/&gt;</td></tr></table>"


def test_so_does_one_of_a_frame():
    html = (
        "<div>\n<style scoped>\n  .dataframe td { color: red }\n</style>\n<table></table>\n</div>"
    )
    assert safe_html(html).split() == ["<div>", "<table></table>", "</div>"]


@pytest.mark.parametrize(
    "label",
    [HOSTILE, "<b>bold</b>", "<style>td {}</style>", "<a href='javascript:x()'>", "<!-- no -->",
     "a < b & c > d", '<iframe src="https://example.org">', "<svg/onload=x()>", "&lt;b&gt;"],
)  # fmt: skip
def test_a_label_is_text(label):
    html = safe_html(f"<table><tr><td>{label}</td></tr></table>")
    tags = {tag.split(">")[0].strip("/") for tag in html.split("<")[1:]}
    assert tags <= {"table", "tr", "td"}


def test_a_label_can_not_close_what_is_around_its_table():
    assert safe_html("<td></div></div></td>") == "<td>&lt;/div&gt;&lt;/div&gt;</td>"
    assert safe_html("<table><tr><td>left open") == "<table><tr><td>left open</td></tr></table>"


def test_markdown_has_marks_and_tables_but_no_tags_and_no_pictures():
    assert safe_markdown("**42** `x`") == "<p><strong>42</strong> <code>x</code></p>\n"
    assert "<td>1</td>" in safe_markdown("| a |\n| --- |\n| 1 |")
    html = safe_markdown(f"{HOSTILE} ![x](https://example.org/x.png) [y](javascript:alert(1))")
    assert "<img" not in html
    assert "<script" not in html
    assert 'href="javascript' not in html
