"""The sliders: ipywidgets around a view, its picture and its words."""

import gc
from html import escape
from typing import Any

import ipywidgets as widgets
from IPython.display import display
from matplotlib.figure import Figure

from dance_lib.data import ClipSet
from dance_lib.errors import DanceError
from dance_lib.explorer import figures
from dance_lib.explorer.clip import ShownClip
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.pair import STEP
from dance_lib.explorer.view import Choice, look
from dance_lib.explorer.words import prediction, work
from dance_lib.study import paths


class Panel:
    """Controls over a picture that follows them. What can't be done is told in the panel.

    Args:
        clips: the set to choose from; a video file is opened by its path.
        networks: to choose from.
    """

    def __init__(self, clips: ClipSet, networks: Networks) -> None:
        self._clips, self._networks = clips, networks
        self._figure: Figure | None = None
        pairs, units = networks.pairs, list(networks.structure.units)
        first = next(iter(pairs.values()))
        lowest = max(pair.reach[0] for pair in pairs.values())
        highest = min(pair.reach[1] for pair in pairs.values())
        rest: dict[str, Any] = {
            "continuous_update": False,
            "style": {"description_width": "60px"},
            "layout": {"width": "350px"},
        }
        self.clip = widgets.IntSlider(0, 0, len(clips) - 1, description="clip", **rest)
        self.unit = widgets.SelectionSlider(
            options=units, value=units[len(units) // 2], description="unit", **rest
        )
        self.budget = widgets.FloatSlider(
            first.as_trained, min=lowest, max=highest, step=STEP, description="budget", **rest
        )
        self.frame = widgets.IntSlider(1, 1, clips.clip_shape[1], description="frame", **rest)
        self.video = widgets.Text(
            description="or video", placeholder="path of a video file, then Enter", **rest
        )
        del rest["continuous_update"]
        self.network = widgets.Dropdown(options=list(pairs), description="network", **rest)
        self.words, self.error = widgets.HTML(), widgets.HTML()
        # Narrower than that, as on a phone, it scrolls: words shrunk further can't be read.
        width = {"width": "100%", "min_width": "700px", "max_width": "1100px"}
        self.picture = widgets.Image(format="png", layout=width)
        self._update(None)
        # What is there by now stays; looking through it for cycles now and then takes long.
        gc.freeze()
        for control in self._controls:
            control.observe(self._update, "value")

    def _ipython_display_(self) -> None:
        """Show controls, words and picture."""
        controls = widgets.HBox(self._controls, layout={"flex_flow": "row wrap"})
        picture = widgets.Box([self.picture], layout={"overflow": "auto"})
        display(widgets.VBox([controls, self.error, self.words, picture]))

    @property
    def _controls(self) -> list[Any]:
        return [self.clip, self.frame, self.video, self.network, self.budget, self.unit]

    def _update(self, change: Any) -> None:
        """Draw what the controls say; what was drawn before stays where that can't be done."""
        control = change and change["owner"]
        if control is self.clip and self.video.value:
            self.video.value = ""  # it is observed as well, and opens the clip
            return
        try:
            if control in (None, self.clip, self.video):
                self._shown = self._open()
            self._draw()
            self.error.value = ""
        except DanceError as error:
            self._tell(str(error))
        except Exception as error:  # the traceback of a callback would be seen by nobody
            self._tell(f"{type(error).__name__}: {error}")

    def _open(self) -> ShownClip:
        path = self.video.value.strip()
        if path:
            return ShownClip.of_video(paths.resolve(path), self._clips.clip_shape)
        return ShownClip.of_set(self._clips, self.clip.value)

    def _draw(self) -> None:
        choice = Choice(
            self.network.value, self.unit.value, round(self.budget.value, 2), self.frame.value - 1
        )
        view = look(self._shown, choice, self._networks)
        self._figure = figures.draw(view, self._figure)
        self.words.value = f"<b>{escape(prediction(view))}</b><br>{escape(work(view))}"
        self.picture.value = figures.png(self._figure)

    def _tell(self, message: str) -> None:
        self.error.value = f"<b style='color: #b00020'>{escape(message)}</b>"
