"""Baselines of a set: what can be told without motion, without order, or without pixels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dance_lib.analysis.intervals import clip_interval
from dance_lib.analysis.setup import build_network
from dance_lib.data import ClipSet, shuffled_frames, single_frame, size_only_predictions
from dance_lib.errors import DanceError
from dance_lib.train import Recipe, predict, train_dense

CONTROLS = {"single_frame": single_frame, "shuffled_frames": shuffled_frames}
BASELINES = ("size_only", *CONTROLS, "background")


def run_baselines(
    names: Sequence[str],
    train: ClipSet,
    test: ClipSet,
    model: str,
    recipe: Recipe,
    *,
    seed: int,
    background: tuple[ClipSet, ClipSet] | None = None,
) -> pd.DataFrame:
    """Train each baseline for as long as the reference and test it; a row each.

    - `size_only`: a forest on width, height and length of the videos.
    - `single_frame`, `shuffled_frames`: the network on clips without motion, or without order.
    - `background`: the network on the same clips without their actors (built-in set).

    Args:
        background: training and test clips for `background`.

    Raises:
        DanceError: an unknown name, or `background` without its clips.
    """
    unknown = set(names) - set(BASELINES)
    if unknown:
        known = ", ".join(BASELINES)
        raise DanceError(f"unknown baseline {sorted(unknown)[0]!r}; known: {known}")
    rows = []
    for name in names:
        if name == "size_only":
            tested = test.table
            right = size_only_predictions(train, test, seed=seed) == tested["target"].to_numpy()
        else:
            sets = _clips(name, train, test, background)
            tested, right = sets[1].table, _trained(sets, model, recipe, seed)
        interval = clip_interval(tested.assign(correct=right))  # draws whole groups
        rows.append(
            {"baseline": name, "accuracy": interval.mean, "low": interval.low,
             "high": interval.high, "clips": interval.clips}
        )  # fmt: skip
    columns = ["baseline", "accuracy", "low", "high", "clips"]
    return pd.DataFrame(rows, columns=columns).assign(kind="measured")


def _clips(
    name: str, train: ClipSet, test: ClipSet, background: tuple[ClipSet, ClipSet] | None
) -> tuple[ClipSet, ClipSet]:
    if name == "background":
        if background is None:
            raise DanceError("the background baseline needs the built-in set without its actors")
        return background
    control = CONTROLS[name]
    return control(train, seed=0), control(test, seed=1)


def _trained(clips: tuple[ClipSet, ClipSet], model: str, recipe: Recipe, seed: int) -> np.ndarray:
    train, test = clips
    whole = recipe.dense_epochs + recipe.retrain_epochs
    net = build_network(model, train, seed)
    train_dense(net, train, recipe.model_copy(update={"dense_epochs": whole}), seed=seed)
    return predict(net, test, "dense").correct.numpy()
