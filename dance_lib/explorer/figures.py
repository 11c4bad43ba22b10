"""The picture of a view: eight panels, quick enough to follow a slider."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from dance_lib.analysis.figures import AXIS_COLOURS, COLOURS
from dance_lib.analysis.variability import EDGES
from dance_lib.explain.picture import dimmed, marked
from dance_lib.explorer.view import View

SIZE = (11.0, 8.2)  # inches
STYLE: Any = {
    "font.size": 9,
    "axes.grid": False,
    "axes.titlesize": 9.5,
    "axes.titley": 1.0,  # else its place is sought, which takes a fifth of the time
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.parse_math": False,  # a file's name may hold $
    "text.hinting": "none",  # most of the time goes into texts, and this saves a seventh of it
}
NETWORKS = ("0.35", *COLOURS[3:])  # not the colours of the pruned axes
LINES = ("-", "--", "-.", ":")
KEPT: dict[str, Any] = {"facecolor": AXIS_COLOURS["channels"]}
DROPPED: dict[str, Any] = {
    "facecolor": "0.93",
    "edgecolor": "0.55",
    "hatch": "////",
    "linewidth": 0.6,
}
ACTION: dict[str, Any] = {"fill": False, "edgecolor": "yellow", "linestyle": "--", "linewidth": 1.2}
GAP = 4  # pixels between the frames of a strip
TOP = 5  # classes
QUARTERS = (0, 0.25, 0.5, 0.75, 1)
LABELS = 16  # at most, below the bars of one panel


def draw(view: View, figure: Figure | None = None) -> Figure:
    """The whole picture.

    Args:
        figure: of an earlier view; drawing over it takes two thirds of the time of a new one.
    """
    with mpl.rc_context(STYLE):
        figure = figure or _empty()
        for draw_panel, axes in zip(PANELS, figure.axes, strict=True):
            _clear(axes)
            draw_panel(axes, view)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format="png", dpi=figure.dpi, pil_kwargs={"compress_level": 1})
    return file.getvalue()


def _empty() -> Figure:
    """A figure of two strips over two rows of three panels."""
    figure = Figure(figsize=SIZE, dpi=100)
    FigureCanvasAgg(figure)
    # Fixed places: fitting them to their texts takes longer than all the drawing.
    strips = figure.add_gridspec(2, 1, left=0.02, right=0.985, top=0.965, bottom=0.755, hspace=0.3)
    panels = figure.add_gridspec(
        2, 3, left=0.055, right=0.985, top=0.67, bottom=0.065, hspace=0.42, wspace=0.42
    )
    for grid, places in ((strips, 2), (panels, 6)):
        for place in range(places):
            figure.add_subplot(grid[place])
    return figure


def _clear(axes: Axes) -> None:
    """Take away what was drawn; axis, ticks and labels stay, since they take long to make."""
    for container in [*axes.containers]:  # bars, which are patches as well
        container.remove()
    for artist in (*axes.images, *axes.lines, *axes.patches, *axes.collections, *axes.texts):
        artist.remove()


def _all_work(axes: Axes, view: View) -> None:
    _strip(axes, view, ())
    axes.set_xticks([])
    about = "where the work goes, all branches; bar: share of each frame"
    axes.set_title(f"{_end(view.clip.name)}: {about}")


def _work_of_branch(axes: Axes, view: View) -> None:
    _strip(axes, view, (view.branch.name,))
    T, _, W, _ = view.clip.frames.shape
    axes.set_xticks([t * (W + GAP) + W / 2 for t in range(T)], [str(t + 1) for t in range(T)])
    kept = f"keeps {view.kept_frames.sum()} of {T} frames"
    axes.set_title(f"the unit's branch, {view.branch.name}, {kept}; dark: dropped")


def _strip(axes: Axes, view: View, branches: Sequence[str]) -> None:
    """All frames in a row, dimmed where these branches compute nothing, a bar for each frame."""
    frames = marked(dimmed(view.clip.frames, view.work(branches)), view.frames(branches))
    T, H, W, _ = frames.shape
    row = np.full((H, T, W + GAP, 3), 255, np.uint8)
    row[:, :, :W] = frames.swapaxes(0, 1)
    axes.imshow(row.reshape(H, -1, 3)[:, :-GAP], interpolation="nearest")
    axes.set_anchor("W")
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


def _tiles(axes: Axes, view: View) -> None:
    """One frame under the branch's tile mask, with the place of the action where it is known."""
    t, (rows, columns) = view.choice.frame, view.branch.grid
    frame = view.clip.frames[t]
    H, W, _ = frame.shape
    axes.imshow(dimmed(frame[None], view.tiles[None])[0], interpolation="nearest")
    between: dict[str, Any] = {"colors": "white", "linewidth": 0.4, "alpha": 0.5}
    axes.hlines(np.arange(1, rows) * H / rows - 0.5, -0.5, W - 0.5, **between)
    axes.vlines(np.arange(1, columns) * W / columns - 0.5, -0.5, H - 0.5, **between)
    action = view.clip.action
    if action is not None and action.start <= t < action.end:
        corner = (action.x0 * W - 0.5, action.y0 * H - 0.5)
        width, height = (action.x1 - action.x0) * W, (action.y1 - action.y0) * H
        axes.add_patch(Rectangle(corner, width, height, **ACTION))
        axes.set_xlabel("dashed: the action")
    else:
        axes.set_xlabel("")
    of_others = "" if view.kept_frames[t] else " is dropped; of the others"
    axes.set_title(f"frame {t + 1}{of_others}: {100 * view.tiles.mean():.0f} % of the area kept")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _groups(axes: Axes, view: View) -> None:
    """Channel groups as bars, as high as they are active."""
    unit, kept = view.choice.unit, view.groups
    heights = view.own_activity.groups[unit]
    places = np.arange(1, len(kept) + 1)
    axes.bar(places[kept], heights[kept], 0.8, **KEPT)
    axes.bar(places[~kept], heights[~kept], 0.8, **DROPPED)
    axes.set_title(f"{_end(unit, 22)}: keeps {kept.sum()} of {len(kept)} channel groups")
    axes.set(xlabel=f"group of {view.structure.group_size} channels", ylabel="mean |activation|")
    axes.set(xlim=(0.4, len(kept) + 0.6), ylim=(0, 1.25 * max(heights.max(), 1e-6)))
    axes.set_xticks(_some(places))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    names = [Patch(label="kept", **KEPT), Patch(label="dropped", **DROPPED)]
    axes.legend(handles=names, ncols=2, loc="upper right")


def _classes(axes: Axes, view: View) -> None:
    """The most likely classes, before and after pruning."""
    best = np.argsort(-np.maximum(view.dense, view.pruned))[:TOP]
    places = np.arange(len(best))
    axes.barh(places - 0.2, 100 * view.dense[best], 0.38, color="0.75", label="dense")
    axes.barh(places + 0.2, 100 * view.pruned[best], 0.38, color="0.2", label="pruned")
    names = [view.networks.classes[k] for k in best]
    axes.set_yticks(places, [("✓ " if n == view.clip.label else "") + _short(n) for n in names])
    axes.set(
        xlim=(0, 100), ylim=(len(best) - 0.4, -0.6), xticks=(0, 50, 100), xlabel="confidence (%)"
    )
    axes.set_title("prediction" if view.clip.label is None else "prediction (✓ is the label)")
    axes.legend(loc="lower right")


def _sizes(axes: Axes, view: View) -> None:
    """Distribution of log10 |activation| of the unit, a line a network."""
    unit = view.choice.unit
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    for name, style in _styles(view):
        axes.plot(middles, 100 * view.activity[name].sizes[unit], label=name, **style)
    highest = max(100 * activity.sizes[unit].max() for activity in view.activity.values())
    axes.set(xlim=(EDGES[0], EDGES[-1]), ylim=(0, 1.1 * max(highest, 1e-6)))
    axes.set(xlabel=f"log10 |activation| of {_end(unit, 22)}", ylabel="activations (%)")
    axes.set_title("sizes of activations, this clip, before pruning")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.legend(loc="upper left")


def _variability(axes: Axes, view: View) -> None:
    """cv of every unit, a line a network; the chosen unit is marked."""
    units = list(view.structure.units)
    places = np.arange(1, len(units) + 1)
    chosen = units.index(view.choice.unit) + 1
    axes.axvspan(chosen - 0.4, chosen + 0.4, color="0.9")
    for name, style in _styles(view):
        cv = [view.activity[name].cv[unit] for unit in units]
        axes.plot(places, cv, marker="o", markersize=3, label=name, **style)
    highest = max(max(activity.cv.values()) for activity in view.activity.values())
    axes.set(xlim=(0.4, len(units) + 0.6), ylim=(0, 1.35 * max(highest, 1e-6)))
    axes.set(xlabel="unit, in order of execution", ylabel="log(1 + Var|a| / E|a|²)")
    axes.set_title("variability by unit, this clip, before pruning")
    axes.set_xticks(_some(places))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.legend(ncols=2, loc="upper left")


def _macs(axes: Axes, view: View) -> None:
    """R of this clip as the budget moves; a budget is the mean over the tuning clips."""
    pair, colour = view.pair, dict(_styles(view))[view.choice.network]["color"]
    axes.axvline(pair.as_trained, color="0.6", linestyle=":", linewidth=1)
    axes.text(pair.as_trained + 0.01, 0.02, "as trained", color="0.4", fontsize=8)
    mean = f"mean of {pair.tuned_on} clips"
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1, label=mean)
    axes.plot(pair.budgets, view.ratios, color=colour, label="this clip")
    axes.plot(view.choice.budget, view.ratio, "o", color=colour, markersize=8)
    axes.set(xlabel="budget", ylabel="R, ideal MACs of dense", xlim=(0, 1.02), ylim=(0, 1.05))
    axes.set(xticks=QUARTERS, yticks=QUARTERS)
    axes.set_title(f"R {view.ratio:.2f}: {view.macs}")
    axes.legend(loc="upper left")


PANELS = (_all_work, _work_of_branch, _tiles, _groups, _classes, _sizes, _variability, _macs)


def _styles(view: View) -> list[tuple[str, dict[str, Any]]]:
    """Colour and line of each network, the chosen one drawn heavier."""
    return [
        (
            name,
            {
                "color": NETWORKS[i % len(NETWORKS)],
                "linestyle": LINES[i % len(LINES)],
                "linewidth": 2.4 if name == view.choice.network else 1.2,
            },
        )
        for i, name in enumerate(view.activity)
    ]


def _some(places: np.ndarray) -> np.ndarray:
    """All places, or so many of them that their labels do not overlap."""
    return places[:: -(-len(places) // LABELS)]


def _short(name: str, longest: int = 14) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _end(path: str, longest: int = 60) -> str:
    return path if len(path) <= longest else f"…{path[1 - longest :]}"
