"""Which clips train, which ones test, and how many of them."""

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from dance_lib.data.errors import DataError

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {  # what official lists and folders call them
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
}


def divide(
    clips: pd.DataFrame, *, fold: int | None, val_fraction: float, test_fraction: float, seed: int
) -> pd.DataFrame:
    """Return `clips` with a `split` of "train", "val" or "test" on every row.

    By `fold` where one is given, else by the `split` the clips came with, else drawn by `seed`,
    every class in proportion. A set with a validation part and no test part is tested on the
    former. Where there is no validation part, `val_fraction` of the training clips become one:
    whole groups where clips have a `group`.

    Raises:
        DataError: fold or split unknown, a group on both sides, a class without training clips,
            or too few clips to divide.
    """
    if fold is not None:
        split = _split_by_fold(clips, fold)
    elif "split" in clips:
        split = _named_splits(clips)
    elif "fold" in clips:
        raise DataError(f"choose the fold to test on: fold= one of {_folds(clips)}")
    else:
        split = pd.Series("train", index=clips.index)
        split = _hold_out(clips, split, "test", test_fraction, seed)
    if "val" not in split.values:
        split = _hold_out(clips, split, "val", val_fraction, seed)
    divided = clips.assign(split=split)
    _check_classes(divided)
    return divided


def limit_clips(index: pd.DataFrame, limit: int, *, seed: int = 0) -> pd.DataFrame:
    """At most `limit` rows of each split, every class in proportion, drawn by `seed`."""
    if limit < 1:
        raise DataError(f"limit must be at least 1, not {limit}")
    shuffled = index.sample(frac=1, random_state=seed)
    in_class = shuffled.groupby(["split", "label"])
    share = (in_class.cumcount() + 0.5) / in_class["path"].transform("size")  # in (0, 1)
    first = share.sort_values(kind="stable").index  # takes every class evenly
    kept = index.loc[first].groupby("split").head(limit).index
    return index.loc[np.sort(kept)].reset_index(drop=True)


def _split_by_fold(clips: pd.DataFrame, fold: int) -> pd.Series:
    if "fold" not in clips:
        raise DataError(f"fold={fold} asked of a set without folds; leave fold out")
    if fold not in clips["fold"].values:
        raise DataError(f"no fold {fold}; there are {_folds(clips)}")
    split = pd.Series(np.where(clips["fold"] == fold, "test", "train"), index=clips.index)
    if "group" in clips:
        both = set(clips["group"][split == "train"]) & set(clips["group"][split == "test"])
        if both:
            raise DataError(
                f"group {min(both, key=str)} is in fold {fold} and outside it; clips of one "
                f"group look alike, so give a whole group one fold"
            )
    return split


def _named_splits(clips: pd.DataFrame) -> pd.Series:
    split = clips["split"].astype(str).str.lower().map(SPLIT_NAMES)
    if split.isna().any():
        name = clips["split"][split.isna()].iloc[0]
        raise DataError(f"unknown split '{name}'; known are {', '.join(SPLITS)}")
    if "test" not in split.values:
        split = split.replace("val", "test")
    return split


def _hold_out(
    clips: pd.DataFrame, split: pd.Series, name: str, fraction: float, seed: int
) -> pd.Series:
    """Rename a `fraction` of the training rows to `name`: whole groups, or of every class."""
    training = split.index[split == "train"]
    if fraction == 0 or training.empty:
        return split
    try:
        if "group" in clips:
            groups = clips["group"][training]
            draw = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
            held = training[next(draw.split(training, groups=groups))[1]]
        else:
            labels = clips["label"][training]
            held = train_test_split(
                training, test_size=fraction, stratify=labels, random_state=seed
            )[1]
    except ValueError as error:
        raise DataError(
            f"too few clips to hold out {fraction:.0%} as {name} ({error}); add clips or set "
            f"{name}_fraction"
        ) from error
    return split.mask(split.index.isin(held), name)


def _check_classes(clips: pd.DataFrame) -> None:
    trained = set(clips["label"][clips["split"] == "train"])
    for split, part in clips.groupby("split"):
        unknown = sorted(set(part["label"]) - trained)
        if unknown and trained:
            raise DataError(
                f"labels differ between splits: {split} has {', '.join(unknown[:3])}, train has "
                f"not; make their spelling agree or add training clips"
            )


def _folds(clips: pd.DataFrame) -> str:
    return ", ".join(str(fold) for fold in sorted(clips["fold"].unique()))
