"""Decoded clips on disk, so that an epoch never decodes.

A cache is one folder, made once: `clips.npy` (uint8, clips × T × H × W × 3, read as a memory map),
`clips.csv` (a row a clip: which video, which seconds of it) and `skipped.csv` (videos that do not
decode, and why). Its name carries a hash of all it depends on: the list of videos with their sizes
and times of change, the clip shape and the sampling. It is built in `{name}.unfinished`; a build
that was killed goes on where its journal ends.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dance_lib.arguments import Count, checked
from dance_lib.atomic import writing
from dance_lib.data.cache_build import build_cache, damaged
from dance_lib.data.decode import ClipShape
from dance_lib.data.errors import DataError
from dance_lib.data.lock import alone
from dance_lib.data.sampling import ClipSampling

VERSION = 2  # of decoding: raise it whenever the same video gives other pixels
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedClips:
    """A finished cache.

    `frames` is the memory map, uint8 (clips, T, H, W, 3). `table` has one row for each of its
    clips: `path`, `clip` (its number in the video), `start_s`, `end_s`, and of the video
    `video_width`, `video_height` (as shown), `video_frames`, `video_seconds`. `skipped` has the
    columns `path` and `reason`.
    """

    frames: np.ndarray
    table: pd.DataFrame
    skipped: pd.DataFrame


@checked
def decode_clips(
    paths: Sequence[str],
    data_root: str | Path,
    cache_root: str | Path,
    *,
    clip_shape: ClipShape,
    sampling: ClipSampling | None = None,
    name: str = "clips",
    strict: bool = False,
    workers: Count = 2,
) -> DecodedClips:
    """Decode the videos `paths` (relative to `data_root`) once, or open what was decoded before.

    Args:
        paths: the videos, each once.
        data_root: their folder.
        cache_root: where caches are kept.
        clip_shape: (T, H, W) of every clip.
        sampling: how videos are cut into clips; one clip of the whole video by default.
        name: start of the cache's folder name.
        strict: raise at the first video that does not decode, instead of skipping it.
        workers: processes that decode.

    Raises:
        DataError: a file is missing; with `strict`, for a video that does not decode; always, if
            none does.
    """
    sampling = sampling or ClipSampling()
    root = Path(data_root)
    folder = Path(cache_root) / f"{name}-{_key(paths, root, clip_shape, sampling)}"
    with alone(folder):
        if not folder.is_dir():
            logger.info("decoding %d videos of %s into %s", len(paths), root, folder)
            unfinished = folder.with_name(folder.name + ".unfinished")
            with writing(unfinished / "clips.npy"):
                build_cache(
                    unfinished, paths, root, clip_shape, sampling, strict=strict, workers=workers
                )
            unfinished.rename(folder)
    return _open(folder, len(paths), strict=strict)


def _key(paths: Sequence[str], root: Path, clip_shape: ClipShape, sampling: ClipSampling) -> str:
    record = hashlib.sha256(f"{VERSION} {clip_shape} {sampling.model_dump_json()}".encode())
    for path in paths:
        try:
            stat = (root / path).stat()
        except OSError as error:
            raise DataError(
                f"{root / path}: {error.strerror}; list files that are there"
            ) from error
        record.update(f"\n{path} {stat.st_size} {stat.st_mtime_ns}".encode())
    return record.hexdigest()[:12]


def _open(folder: Path, videos: int, *, strict: bool) -> DecodedClips:
    skipped = _table(folder / "skipped.csv")
    if len(skipped):
        if strict:
            raise damaged(*skipped.iloc[0][["path", "reason"]])
        if len(skipped) == videos:
            path, reason = skipped.iloc[0][["path", "reason"]]
            raise DataError(f"none of {videos} videos decodes; the first, {path}: {reason}")
        logger.warning(
            "%d of %d videos do not decode and are left out, listed in %s",
            len(skipped),
            videos,
            folder / "skipped.csv",
        )
    frames = np.load(folder / "clips.npy", mmap_mode="r")
    return DecodedClips(frames, _table(folder / "clips.csv"), skipped)


def _table(path: Path) -> pd.DataFrame:
    """Names of files as they are: "007" is no number, "NA" not nothing."""
    return pd.read_csv(path, dtype={"path": str}, keep_default_na=False)
