"""Outputs of notebooks made safe for a page: labels, file names and words of tables stay text."""

import re
from html import escape
from html.parser import HTMLParser

from markdown_it import MarkdownIt

TABLE = {"table", "caption", "thead", "tbody", "tr", "th", "td", "div", "p", "br"}
KEPT = {"colspan", "rowspan", "scope"}  # attributes
STYLES = re.compile(r"\A\s*(<div>)?\s*<style[^>]*>.*?</style>", re.DOTALL)  # that pandas begins by


def safe_html(html: str) -> str:
    """Return the HTML of a table, and any tag that a table has no need of as its own text.

    Styles and attributes are left out: a page looks like the others and asks no machine for
    anything. Nothing in a table can close what stands around it.
    """
    cleaner = _Cleaner()
    cleaner.feed(STYLES.sub(r"\1", html))
    cleaner.close()
    return "".join([*cleaner.parts, *(f"</{tag}>" for tag in reversed(cleaner.open))])


def safe_markdown(text: str) -> str:
    """Return Markdown as HTML; a tag in it stays text, and a picture becomes a link."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return parser.render(text)


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TABLE:
            self.parts.append(escape(self.get_starttag_text() or ""))
            return
        if tag != "br":
            self.open.append(tag)
        kept = "".join(f' {key}="{escape(value or "")}"' for key, value in attrs if key in KEPT)
        self.parts.append(f"<{tag}{kept}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # in HTML the slash of `<br/>` says nothing

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open:
            self.parts.append(escape(f"</{tag}>"))
            return
        while (inner := self.open.pop()) != tag:
            self.parts.append(f"</{inner}>")
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(escape(data))

    def handle_comment(self, data: str) -> None:
        self.parts.append(escape(f"<!--{data}-->"))
