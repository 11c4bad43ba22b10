"""Which videos a command line means, and where what explains them goes."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dance_lib.data.decode import Video, VideoClips
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.data.layouts import VIDEO_SUFFIXES

EXPLAINED_SUFFIXES = (".mp4", ".gif")


@dataclass(frozen=True)
class Found:
    """A video; `inside` is its path below the folder that was named, or its name."""

    path: Path
    inside: Path

    @property
    def shown(self) -> str:
        """The path in characters that can be printed and written."""
        return os.fsencode(self.path).decode("utf-8", "replace")


def find_videos(paths: Sequence[Path]) -> list[Found]:
    """The videos that are named, and those anywhere below the folders that are named, each once.

    In folders a video is known by its suffix; nothing hidden is taken, and links are followed. A
    file that is named itself is taken whatever it is called.

    Raises:
        DataError: a path that is not there, or a folder without videos.
    """
    found: list[Found] = []
    for path in paths:
        if path.is_dir():
            below = [Found(each, each.relative_to(path)) for each in _videos_below(path)]
            if not below:
                raise DataError(f"{path}: no videos in it; known are {_names(VIDEO_SUFFIXES)}")
            found += below
        elif path.exists():
            found.append(Found(path, Path(path.name)))
        else:
            raise DataError(f"{path}: no such file or folder")
    return list({each.path.absolute(): each for each in found}.values())


def read_clips(found: Found, clip_shape: tuple[int, int, int], clips: int) -> VideoClips:
    """A video in `clips` equal parts, end to end, each read as a clip of `clip_shape` = (T, H, W).

    One clip is the whole video, as training reads it.

    Raises:
        DecodeError: the video does not decode.
    """
    frames, height, width = clip_shape
    try:
        with Video(found.path.absolute()) as video:  # `a:b.mp4` alone would be FFmpeg's protocol a
            ends = [video.facts.seconds * i / clips for i in range(clips + 1)]
            spans = list(pairwise(ends))
            read = [video.clip(*s, frames=frames, height=height, width=width) for s in spans]
    except DecodeError as error:
        raise DecodeError(found.shown, error.reason) from error
    return VideoClips(video.facts, spans, np.stack(read))


def explained_as(videos: Sequence[Found], target: Path | None) -> list[Path | None]:
    """Where what explains each video goes: to the file `target`, or into the folder `target`.

    A folder is a path without a suffix, or one that is there. In it the videos keep the folders
    they were found in. Without a target they are not explained.

    Raises:
        DataError: another suffix than .mp4 and .gif, one file for several videos, or a file that
            would be written twice or over a video that is read.
    """
    if target is None:
        return [None] * len(videos)
    if not target.suffix or target.is_dir():
        places = [target / video.inside.with_suffix(".mp4") for video in videos]
    elif target.suffix.lower() not in EXPLAINED_SUFFIXES:
        raise DataError(f"--explain {target}: end it in .mp4 or .gif, or name a folder")
    elif len(videos) > 1:
        raise DataError(
            f"--explain {target}: one file for {len(videos)} videos; name a folder, "
            f"{target.with_suffix('')} say"
        )
    else:
        places = [target]
    _check_places(places, videos)
    return list(places)


def _check_places(places: Sequence[Path], videos: Iterable[Found]) -> None:
    read = {video.path.resolve() for video in videos}
    written: set[Path] = set()
    for place in places:
        if place.resolve() in read:
            raise DataError(f"--explain would write over {place}, which is read; name another")
        if place in written:
            raise DataError(f"--explain would write {place} for two videos; give them one by one")
        written.add(place)


def _videos_below(folder: Path) -> Iterator[Path]:
    """Videos below `folder` in a fixed order; a folder that links lead to twice is read once."""
    seen = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [] if real in seen else sorted(n for n in folders if not n.startswith("."))
        for name in sorted(names) if real not in seen else ():
            path = Path(here, name)
            known = path.suffix.lower() in VIDEO_SUFFIXES
            if known and not name.startswith(".") and path.is_file():
                yield path
        seen.add(real)


def _names(suffixes: Iterable[str]) -> str:
    return ", ".join(sorted(suffixes))
