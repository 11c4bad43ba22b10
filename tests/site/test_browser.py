"""The pages in a browser: they ask no machine, fit a phone, and hide no code for long."""

import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::sphinx.deprecation.RemovedInSphinx11Warning"),
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module", params=["small", pytest.param("reference", marks=pytest.mark.slow)])
def site(request):
    """A folder of pages: of the made study, or of the committed run."""
    return request.getfixturevalue(f"{request.param}_site")[0]


class Watched:
    """A page of the browser, with all it asks for and complains of."""

    def __init__(self, browser, viewport):
        self.context = browser.new_context(viewport=viewport)
        self.page = self.context.new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.on("console", self._note)

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def watched(request, browser):
    found = Watched(browser, request.param)
    yield found
    found.context.close()


def test_no_page_asks_another_machine_or_is_wider_than_the_screen(site, watched):
    names = sorted(site.rglob("*.html"))
    for name in names:
        watched.page.goto(name.as_uri(), wait_until="load")
        assert watched.page.evaluate(OVERFLOW) <= 0, name
        assert watched.page.evaluate("[...document.images].every(i => i.alt.trim())"), name
        assert watched.page.evaluate("[...document.images].every(i => i.naturalWidth)"), name
    assert len(names) > 8
    assert {url.split(":")[0] for url in watched.asked} <= {"file", "data"}
    assert watched.complaints == []


def test_code_is_one_click_from_sight(site, watched):
    watched.page.goto((site / "11_fig_tradeoff.html").as_uri())
    code = watched.page.locator("details .highlight").first
    assert not code.is_visible()
    watched.page.get_by_text("Show the code").first.click()
    assert code.is_visible()


def test_a_wide_table_scrolls_in_its_own_box(site, watched):
    watched.page.goto((site / "provenance.html").as_uri())
    watched.page.evaluate(
        "document.querySelector('td').textContent = 'wide '.repeat(9) + '_'.repeat(999)"
    )
    box = "document.querySelector('td').closest('.cell_output')"
    assert watched.page.evaluate(f"getComputedStyle({box}).overflowX") == "auto"
    assert watched.page.evaluate(OVERFLOW) <= 0


def test_the_search_works_without_a_network(site, watched):
    watched.page.goto((site / "search.html").as_uri() + "?q=protocol")
    hit = watched.page.locator("ul.search li a[href*='protocol.html']").first
    hit.wait_for(timeout=20_000)
    assert {url.split(":")[0] for url in watched.asked} <= {"file", "data"}
    assert watched.complaints == []


def test_verdicts_have_words_and_colours_that_can_be_read(site, browser):
    watched = Watched(browser, DESKTOP)
    watched.page.goto((site / "index.html").as_uri())
    verdicts = watched.page.locator("td.verdict span").all()
    assert verdicts
    for verdict in verdicts:
        name = verdict.get_attribute("class").replace("-", " ")
        assert name in verdict.inner_text()
        colour = verdict.evaluate("e => getComputedStyle(e).color")
        assert contrast_with_white(colour) >= 4.5, (name, colour)
    watched.context.close()


def contrast_with_white(colour):
    """The contrast ratio of WCAG 2 between `rgb(r, g, b)` and white."""
    channels = [int(c) / 255 for c in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05)
