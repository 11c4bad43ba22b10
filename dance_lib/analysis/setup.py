"""What every computing notebook starts from: the clips and the network."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError

from dance_lib.checkpoint import load
from dance_lib.data import ClipSet, DigitsSettings, open_clips
from dance_lib.errors import DanceError, in_one_line
from dance_lib.models.zoo import create_model
from dance_lib.network import Dance
from dance_lib.study import paths

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
    actor: bool = True,
) -> Sets:
    """Open training and test clips of `frames` frames of size × size pixels, one clip a video.

    Args:
        data_root: folder of the videos; None makes the built-in set.
        fold: "own", or the number of the fold to test on.
        train_clips, test_clips: how many clips the built-in set has; other sets give all.
        cache: folder for decoded clips and the built-in set; relative paths, as that of
            `data_root`, start at the root of the study.
        actor: False leaves the actors out of the built-in set.

    Raises:
        DataError: what is wrong with the set, and the remedy.
        DanceError: sizes the built-in set can't have, or the fold is neither "own" nor a number.
    """
    if fold != OWN and not fold.isdigit():
        raise DanceError(f"fold is {OWN!r} or a number, not {fold!r}")
    try:
        digits = DigitsSettings(
            train=train_clips,
            val=0,
            test=test_clips,
            resolution=size,
            frames=frames,
            action_frames=(max(4, frames // 4), max(4, frames * 3 // 4)),
            actor=actor,
        )
    except ValidationError as error:
        raise in_one_line("built-in set", error) from error
    train, test = (
        open_clips(
            dataset,
            paths.resolve(data_root) if data_root else None,
            split=split,
            clip_shape=(frames, size, size),
            fold=None if fold == OWN else int(fold),
            cache_root=paths.resolve(cache),
            digits=digits,
        )
        for split in ("train", "test")
    )
    return Sets(train, test)


def build_network(model: str, clips: ClipSet, seed: int) -> Dance:
    """A new network for these clips, its weights drawn by the seed."""
    torch.manual_seed(seed)
    return _fast(Dance(create_model(model, len(clips.classes), clips.clip_shape), clips.clip_shape))


def load_network(checkpoint: Path) -> Dance:
    """A trained network, laid out for training on."""
    return _fast(load(checkpoint))


def _fast(net: Dance) -> Dance:
    # Half the time of a training step. torch's stubs know `memory_format` in its 4-D form only.
    net.backbone.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return net


def with_axes(net: Dance, axes: Sequence[str], seed: int) -> Dance:
    """The same backbone under a new controller that prunes these axes."""
    torch.manual_seed(seed)
    grid, group_size = net.grid, net.structure.group_size
    mean, std = net.mean.flatten().tolist(), net.std.flatten().tolist()
    return Dance(
        net.backbone,
        net.clip_shape,
        axes=axes,
        grid=grid,
        group_size=group_size,
        mean=mean,
        std=std,
    )
