"""The notebook as its readers meet it: in JupyterLab under a real browser, and without a kernel."""

import json
from functools import partial

import nbformat
import numpy as np
import pytest

from dance_lib.data.encode import write_video
from dance_lib.study.execute import NotebookError, execute
from tests.explorer.made_study import NOTEBOOK, jupyterlab, make_study

pytestmark = pytest.mark.slow

PICTURE = "img.widget-image"
BYTES = """async (image) => {
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return bytes.reduce((text, byte) => text + String.fromCharCode(byte), "");
}"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("explorer") / "study")


class Explorer:
    """The panel in the page, as a person uses it."""

    def __init__(self, page):
        self.page = page
        self.picture = page.locator(PICTURE)
        self.handles = page.locator(".noUi-handle")

    def run_all(self):
        # What is run before the kernel has answered is lost.
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.picture.wait_for(timeout=120_000)

    def shown(self):
        """The picture's bytes, and the words above it."""
        words = self.page.locator(".widget-html-content").all_inner_texts()
        return self.picture.evaluate(BYTES), " ".join(words)

    def after(self, act):
        """What is shown after an act that changes the picture."""
        before = self.picture.get_attribute("src")
        act()
        self.page.wait_for_function(
            "([image, src]) => document.querySelector(image).src !== src",
            arg=[PICTURE, before],
            timeout=30_000,
        )
        return self.shown()

    def press(self, handle, key="ArrowRight"):
        self.handles.nth(handle).focus()
        self.page.keyboard.press(key)


@pytest.fixture(scope="module")
def explorer(browser, notebook, tmp_path_factory):
    root = notebook.parents[1]
    with jupyterlab(root, tmp_path_factory.mktemp("home")) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address.format(notebook.relative_to(root)))
        explorer = Explorer(page)
        explorer.run_all()
        yield explorer
        page.close()
        host = address.partition("/lab")[0]
        asked = [url for url in requests if not url.startswith((host, "blob:", "data:", "ws:"))]
        assert not asked, "a request left the machine"


@pytest.mark.browser
def test_every_slider_changes_the_picture(explorer):
    """Clip, frame, budget, unit: another picture, and for a clip another prediction."""
    picture, words = explorer.shown()
    assert picture.startswith("\x89PNG")
    assert "Predicted" in words
    assert explorer.handles.count() == 4
    for handle in range(4):
        again, said = explorer.after(partial(explorer.press, handle))
        assert again != picture
        if handle == 0:
            assert said.partition(".mp4")[0] != words.partition(".mp4")[0]  # another clip
        picture, words = again, said


@pytest.mark.browser
def test_a_step_back_shows_the_same_picture_again(explorer):
    picture, words = explorer.shown()
    explorer.after(lambda: explorer.press(0))
    again, said = explorer.after(lambda: explorer.press(0, "ArrowLeft"))
    assert (again, said) == (picture, words)


@pytest.mark.browser
def test_another_network_and_a_video_of_ones_own(explorer, tmp_path):
    picture, words = explorer.shown()
    choose = explorer.page.locator(".widget-dropdown select")
    picture, words = explorer.after(lambda: choose.select_option("AVA cv"))
    assert "AVA cv" in words

    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "own.mp4", pixels, fps=8)
    path = explorer.page.locator(".widget-text input")

    def open_video(name):
        path.fill(str(tmp_path / name))
        path.press("Enter")

    again, words = explorer.after(lambda: open_video("own.mp4"))
    assert again != picture
    assert "own.mp4" in words
    open_video("lost.mp4")
    explorer.page.get_by_text("lost.mp4: no such file").wait_for(timeout=20_000)
    assert explorer.shown()[0] == again


@pytest.mark.browser
def test_nothing_went_wrong(explorer):
    outputs = explorer.page.locator(".jp-OutputArea-output")
    kinds = outputs.evaluate_all("all => all.map(one => one.dataset.mimeType)")
    assert "application/vnd.jupyter.error" not in kinds
    assert "application/vnd.jupyter.stderr" not in kinds


def test_without_a_kernel_figures_say_the_same(notebook):
    """The batch runs all but the sliders: four described figures, no widget, no empty output."""
    executed = notebook.parents[1] / "results/tiny/notebooks/90.ipynb"
    executed.parent.mkdir(exist_ok=True)
    execute(notebook, executed, {}, threads=1)
    cells = nbformat.read(executed, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert "widgets" not in json.loads(executed.read_text())["metadata"]
    assert not [o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.data]
    figures = [output for output in outputs if "image/png" in output.data]
    assert len(figures) == 4
    for figure in figures:
        described = figure.metadata["image/png"]["alt"]
        assert "channel groups" in described
        assert "R, ideal MACs of dense against budget" in described
    said = [o.data["text/markdown"] for o in outputs if "text/markdown" in o.data]
    assert len(said) == 5
    assert all("R " in text for text in said)
    assert cells[-1].outputs == []
    assert cells[-1].execution_count is None


def test_without_checkpoints_one_line_says_what_to_run(notebook, tmp_path):
    parameters = {"results": str(tmp_path / "default")}
    with pytest.raises(NotebookError) as told:
        execute(notebook, tmp_path / f"{NOTEBOOK}.ipynb", parameters, threads=1)
    assert "02_ava" in str(told.value)
    assert "make it with: dance reproduce" in str(told.value)
    assert "\n" not in str(told.value)
