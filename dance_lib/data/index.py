"""Which clips there are: one table for every data set, whatever its layout."""

import logging
import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from dance_lib.arguments import Seed, Share, checked
from dance_lib.data import layouts
from dance_lib.data.errors import DataError
from dance_lib.data.splits import divide

logger = logging.getLogger(__name__)

DATASETS = ("digits", "ucf101", "hmdb51", "kinetics", "folder", "csv")
LIST_FOLDERS = {  # where each set's official lists usually lie, below its root
    "ucf101": ("ucfTrainTestlist", "."),
    "hmdb51": ("testTrainMulti_7030_splits", "."),
    "kinetics": ("annotations", "."),
}
VANISHING = ("kinetics",)  # its videos go from where they were published; no copy has them all


@checked
def load_index(
    dataset: str,
    data_root: str | Path,
    *,
    # which part of it
    fold: int | None = None,
    split: str | None = None,
    # how it is divided, where the set itself does not say
    val_fraction: Share = 0.0,
    test_fraction: Share = 0.2,
    seed: Seed = 0,
    # where things are
    table: str | None = None,
    lists: str | Path | None = None,
    allow_missing: bool | None = None,
    allow_outside: bool = False,
) -> pd.DataFrame:
    """List the clips of a data set.

    Args:
        dataset: one of `DATASETS`, the layout of `data_root`.
        data_root: the folder that holds the clips.
        fold: for a table with folds, the one to test on; for UCF101 and HMDB51 the official
            split, 1 (the default) to 3.
        split: keep only "train", "val" or "test"; None keeps all.
        val_fraction: share of the training clips to hold out as "val" where the set has no such
            part; whole groups where clips have one.
        test_fraction: share to hold out as "test" where the set is not divided at all.
        seed: of both draws.
        table: name of the CSV in `data_root`, for "csv"; `labels.csv` or the only one there.
        lists: folder of the official lists; by default looked for in `data_root`.
        allow_missing: leave out clips whose file is missing, instead of raising. None does so for
            Kinetics alone, whose videos vanish, with a warning that counts them.
        allow_outside: accept paths that lead out of `data_root`.

    Returns:
        A row a clip: `path` (relative to `data_root`), `label`, `target` (the place of the label
        among all sorted labels), `split`, then `fold`, `group` and further columns of the set.

    Raises:
        DataError: what is wrong with the set, and the remedy.
    """
    root = Path(data_root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; it must hold the videos")
    try:
        clips = _read_layout(dataset, root, fold, table, lists)
    except OSError as error:
        raise DataError(f"{error.filename or root}: can't be read ({error.strerror})") from error
    clips["path"] = [os.path.normpath(path) for path in clips["path"]]  # what is checked is read
    clips["label"] = [unicodedata.normalize("NFC", label) for label in clips["label"]]
    _check_paths(clips, root, allow_outside=allow_outside)
    told = allow_missing is None and dataset in VANISHING
    clips = _check_files(clips, root, allow_missing=allow_missing or told, told=told)
    if dataset in ("ucf101", "hmdb51"):
        fold = None  # it named the official split, which is applied by now
    clips = divide(
        clips, fold=fold, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed
    )
    classes, target = np.unique(clips["label"].to_numpy(str), return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"{root}: only one class, {classes[0]}; there is nothing to tell apart")
    clips = clips.assign(target=target)
    first = ["path", "label", "target", "split"]
    clips = clips[first + [name for name in clips if name not in first]]
    return clips if split is None else select_split(clips, split)


def select_split(clips: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of one split, numbered anew."""
    chosen = clips[clips["split"] == split]
    if chosen.empty:
        there = ", ".join(sorted(clips["split"].unique()))
        raise DataError(
            f"no clips in split '{split}'; there are {there}; put clips into it, in the set's "
            f"folders, lists or table"
        )
    return chosen.reset_index(drop=True)


def class_names(clips: pd.DataFrame) -> list[str]:
    """Class names in order of `target`."""
    return sorted(clips["label"].unique())


def _read_layout(
    dataset: str, root: Path, fold: int | None, table: str | None, lists: str | Path | None
) -> pd.DataFrame:
    if dataset == "digits":
        return layouts.table_layout(root / "manifest.csv")
    if dataset == "csv":
        return layouts.table_layout(root / table if table else _only_table(root))
    if dataset == "folder":
        return layouts.folder_layout(root)
    if dataset not in DATASETS:
        raise DataError(f"unknown data set '{dataset}'; known are {', '.join(DATASETS)}")
    folder = Path(lists) if lists else _list_folder(dataset, root)
    if dataset == "kinetics":
        return layouts.kinetics_layout(root, folder)
    official = 1 if fold is None else fold
    if official not in layouts.OFFICIAL_SPLITS:
        raise DataError(f"{dataset} has the official splits 1, 2 and 3, not fold={fold}")
    layout = {"ucf101": layouts.ucf101_layout, "hmdb51": layouts.hmdb51_layout}[dataset]
    return layout(root, folder, official)


def _list_folder(dataset: str, root: Path) -> Path:
    return next(root / name for name in LIST_FOLDERS[dataset] if (root / name).is_dir())


def _only_table(root: Path) -> Path:
    tables = sorted(path for path in root.glob("*.csv") if not path.name.startswith("."))
    if root / "labels.csv" in tables:
        return root / "labels.csv"
    if len(tables) != 1:
        raise DataError(
            f"{root}: {len(tables)} CSV tables in it; call the right one labels.csv (in Python, "
            f"table= names it)"
        )
    return tables[0]


def _check_paths(clips: pd.DataFrame, root: Path, *, allow_outside: bool) -> None:
    """Refuse paths listed twice, leading outside (by their text: links in the root are yours), or
    whose bytes are no text, which no table could hold."""
    twice = clips["path"][clips["path"].duplicated()]
    if len(twice):
        raise DataError(f"{root}: {twice.iloc[0]} is listed twice; a clip must have one row")
    for path in clips["path"]:
        if not path.isascii() and any("\ud800" <= letter <= "\udfff" for letter in path):
            raise DataError(f"{root}: the name {path!a} is no UTF-8; rename it")
    if allow_outside:
        return
    for path in clips["path"]:
        if Path(path).is_absolute() or Path(path).parts[:1] == (os.pardir,):
            raise DataError(
                f"{path}: leads outside {root}; move or link it into the folder and list it there "
                f"(in Python, allow_outside=True accepts it)"
            )


def _check_files(
    clips: pd.DataFrame, root: Path, *, allow_missing: bool, told: bool
) -> pd.DataFrame:
    """Leave out what is missing, where that is allowed, and say so where it is to be `told`."""
    # Path.is_file raises where a name is too long to be one.
    there = np.array([os.path.isfile(root / path) for path in clips["path"]])  # noqa: PTH113
    missing = clips["path"][~there]
    if missing.empty:
        return clips
    what = f"{len(missing)} of {len(clips)} listed clips are missing"
    if allow_missing and there.any():
        if told:
            logger.warning("%s: %s and left out, the first is %s", root, what, missing.iloc[0])
        return clips[there].reset_index(drop=True)
    raise DataError(
        f"{root}: {what}, the first is {missing.iloc[0]}; add the files or take them off the list "
        f"(in Python, allow_missing=True leaves them out)"
    )
