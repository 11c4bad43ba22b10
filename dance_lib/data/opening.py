"""One call from a data set's name to clips."""

import hashlib
from pathlib import Path

import pandas as pd

from dance_lib.arguments import Count, Seed, Share, Size, checked
from dance_lib.data.cache import decode_clips
from dance_lib.data.clips import ClipSet
from dance_lib.data.decode import ClipShape
from dance_lib.data.digits import DigitsSettings, make_digits
from dance_lib.data.errors import DataError
from dance_lib.data.index import class_names, load_index, select_split
from dance_lib.data.sampling import ClipSampling
from dance_lib.data.splits import limit_clips


@checked
def open_clips(
    dataset: str,
    data_root: str | Path | None = None,
    *,
    # what
    split: str,
    clip_shape: tuple[int, ...],
    fold: int | None = None,
    limit: Size | None = None,
    # how it is divided, where the set itself does not say
    val_fraction: Share = 0.0,
    test_fraction: Share = 0.2,
    seed: Seed = 0,
    # how videos are cut and read
    sampling: ClipSampling | None = None,
    strict: bool = False,
    # where things are
    cache_root: str | Path,
    table: str | None = None,
    lists: str | Path | None = None,
    allow_missing: bool | None = None,
    allow_outside: bool = False,
    # the built-in set
    digits: DigitsSettings | None = None,
    # work
    workers: Count = 2,
) -> ClipSet:
    """Open one split of a data set; decode it first, where that was not done before.

    Args:
        dataset: "digits" (built in, made here where `data_root` is None), "ucf101", "hmdb51",
            "kinetics", "folder" or "csv".
        data_root: the folder of its videos.
        split: "train", "val" or "test".
        clip_shape: (3, T, H, W), or (T, H, W).
        fold: see `load_index`. All splits of a set with folds are decoded at once, since another
            fold divides the same videos anew.
        limit: use so many videos of each split, every class in proportion.
        sampling: how videos are cut into clips; by default one clip of the whole video.
        strict: raise for a video that does not decode, instead of skipping it with a warning.
        cache_root: folder for decoded clips and built-in sets.
        digits: settings of the built-in set, for `data_root` None.
        workers: processes that decode.

    The other arguments are those of `load_index`.

    Raises:
        DataError: what is wrong with the data, and the remedy.
    """
    shape = _frame_shape(clip_shape)
    if data_root is None:
        if dataset != "digits":
            raise DataError(f"{dataset} needs data_root, the folder of its videos")
        settings = digits or DigitsSettings()
        data_root = Path(cache_root) / f"digits-{settings.hash}"
        make_digits(data_root, settings, workers=workers)
    index = load_index(
        dataset,
        data_root,
        fold=fold,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        seed=seed,
        table=table,
        lists=lists,
        allow_missing=allow_missing,
        allow_outside=allow_outside,
    )
    classes = tuple(class_names(index))  # `target` counts them, those that a limit leaves out too
    if limit is not None:
        index = limit_clips(index, limit, seed=seed)
    wanted = select_split(index, split)
    decoded = decode_clips(
        list(wanted["path"] if fold is None else sorted(index["path"])),
        data_root,
        cache_root,
        clip_shape=shape,
        sampling=sampling,
        name=dataset,
        strict=strict,
        workers=workers,
    )
    stored = decoded.table.reset_index(names="stored")
    rows = stored.merge(wanted, on="path", suffixes=("", "_listed"))  # the set's own `clip`, say
    clip_table = rows.drop(columns="stored")
    return ClipSet(
        table=clip_table[[*wanted, *(name for name in clip_table if name not in wanted)]],
        classes=classes,
        hash=_hash(wanted, Path(data_root), shape, sampling),
        skipped=decoded.skipped[decoded.skipped["path"].isin(wanted["path"])],
        frames=decoded.frames,
        stored=rows["stored"].to_numpy(),
    )


def _frame_shape(clip_shape: tuple[int, ...]) -> ClipShape:
    """(T, H, W) of (3, T, H, W) or (T, H, W)."""
    if len(clip_shape) == 4 and clip_shape[0] == 3:
        clip_shape = clip_shape[1:]
    if len(clip_shape) != 3 or min(clip_shape) < 1:
        raise DataError(f"clip_shape must be (3, T, H, W) or (T, H, W), not {clip_shape}")
    frames, height, width = clip_shape
    return frames, height, width


def _hash(
    clips: pd.DataFrame, data_root: Path, shape: ClipShape, sampling: ClipSampling | None
) -> str:
    """Twelve hex digits of what was opened: clips, labels, file sizes, shape and sampling.

    The same on another machine, unlike a cache's name, which also knows when files changed.
    """
    sizes = [(data_root / path).stat().st_size for path in clips["path"]]
    lines = [f"{shape} {(sampling or ClipSampling()).model_dump_json()}"]
    lines += [
        f"{path} {label} {size}"
        for path, label, size in zip(clips["path"], clips["label"], sizes, strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
