"""What every computing notebook starts from: the clips and the network."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dance_lib.checkpoint import load
from dance_lib.data import ClipSet, DigitsSettings, open_clips
from dance_lib.errors import DanceError
from dance_lib.models.zoo import create_model
from dance_lib.network import STEM, Dance, remade
from dance_lib.study import paths
from dance_lib.train.layout import laid_out

OWN = "own"  # the set's own division into training and test clips


class Sets(NamedTuple):
    """Training and test clips of one set."""

    train: ClipSet
    test: ClipSet


def open_sets(
    dataset: str,
    data_root: str | None,
    *,
    fold: str,
    frames: int,
    size: int,
    train_clips: int,
    test_clips: int,
    cache: str,
    tested_on: str = "test",
    data_seed: int = 0,
    actor: bool = True,
) -> Sets:
    """Open training and test clips of `frames` frames of size × size pixels, one clip a video.

    Development is tested on "val": clips held out of the training clips (whole groups, a fifth),
    in the built-in set drawn like the test clips. Test clips stay unseen until the protocol says.

    Args:
        data_root: folder of the videos; None makes the built-in set.
        fold: "own", or the number of the fold to test on.
        train_clips, test_clips: how many clips the built-in set has; other sets give all.
        cache: folder for decoded clips and the built-in set; relative paths, as that of
            `data_root`, start at the root of the study.
        tested_on: "test" or "val".
        data_seed: of the built-in set.
        actor: False leaves the actors out of the built-in set.

    Raises:
        DataError: what is wrong with the set, and the remedy.
        DanceError: sizes the built-in set can't have, the fold is neither "own" nor a number, or
            another word for `tested_on`.
    """
    if tested_on not in ("test", "val"):
        raise DanceError(f"tested_on is 'test' or 'val', not {tested_on!r}")
    developing = tested_on == "val"
    if fold != OWN and not fold.isdigit():
        raise DanceError(f"fold is {OWN!r} or a number, not {fold!r}")
    digits = DigitsSettings.of_clips(
        frames,
        size,
        train=train_clips,
        val=test_clips if developing else 0,
        test=0 if developing else test_clips,
        seed=data_seed,
        actor=actor,
    )
    # A set that has validation clips and no test clips is tested on the former: the built-in one.
    held_out = "val" if developing and data_root else "test"
    train, test = (
        open_clips(
            dataset,
            paths.resolve(data_root) if data_root else None,
            split=split,
            clip_shape=(frames, size, size),
            fold=None if fold == OWN else int(fold),
            cache_root=paths.resolve(cache),
            val_fraction=0.2 if developing and data_root else 0.0,
            digits=digits,
        )
        for split in ("train", held_out)
    )
    return Sets(train, test)


def set_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a notebook's parameters that `open_sets` takes by name."""
    names = set(inspect.signature(open_sets).parameters) - {"dataset", "data_root"}
    return {name: value for name, value in parameters.items() if name in names}


def build_network(model: str, clips: ClipSet, seed: int) -> Dance:
    """A new network for these clips, its weights drawn by the seed."""
    torch.manual_seed(seed)
    return laid_out(
        Dance(create_model(model, len(clips.classes), clips.clip_shape), clips.clip_shape)
    )


def load_network(checkpoint: Path) -> Dance:
    """A trained network, laid out for training on."""
    return laid_out(load(checkpoint))


def with_controller(net: Dance, axes: Sequence[str], seed: int, reads: str = STEM) -> Dance:
    """The same backbone under a new controller that prunes these axes; `reads` as for `Dance`."""
    torch.manual_seed(seed)
    return remade(net, axes=axes, reads=reads)
