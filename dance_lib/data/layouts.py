"""The folder layouts of known data sets: each function lists the clips of one.

A layout returns a table with a row a clip and at least `path` (relative to `data_root`, with
slashes) and `label`; further `split`, or `fold` and `group`, and whatever columns its lists carry.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from dance_lib.data.errors import DataError
from dance_lib.data.splits import SPLIT_NAMES

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
)
OFFICIAL_SPLITS = (1, 2, 3)  # of UCF101 and HMDB51
TEXT_COLUMNS = ("path", "label", "split", "youtube_id")  # "007" and "NA" are names here


def table_layout(table_path: Path) -> pd.DataFrame:
    """A CSV with `path`, `label` and either `split`, or `fold` and `group`."""
    table = _read_csv(table_path)
    _need_columns(table, ("path", "label"), table_path)
    division = ("split",) if "split" in table else ("fold", "group")
    _need_columns(table, division, table_path, instead="split")
    return table


def folder_layout(data_root: Path) -> pd.DataFrame:
    """Class folders of videos, on their own or inside train, val and test folders."""
    folders = _folders(data_root)
    parts = {folder: SPLIT_NAMES.get(folder.name.lower()) for folder in folders}
    if "train" in parts.values():
        rows = [
            row | {"split": part}
            for folder, part in parts.items()
            if part is not None
            for row in _class_folders(data_root, _folders(folder))
        ]
    else:
        rows = list(_class_folders(data_root, folders))
    if not rows:
        raise DataError(f"{data_root}: no class folders with videos in it; is it the right folder?")
    return pd.DataFrame(rows)


def ucf101_layout(data_root: Path, lists: Path, official_split: int) -> pd.DataFrame:
    """UCF101's own lists, `classInd.txt`, `trainlist0k.txt` and `testlist0k.txt`."""
    table = ucf101_lists(lists, official_split)
    return _with_paths(table, _find_videos(data_root))


def ucf101_lists(lists: Path, official_split: int) -> pd.DataFrame:
    """The columns wanted (class folder and file), label, split and group of UCF101's lists."""
    numbered = (line.partition(" ") for line in _lines(lists / "classInd.txt"))
    classes = {number: name.strip() for number, _, name in numbered}
    spelt = {name.lower(): name for name in classes.values()}
    rows = []
    for split in ("train", "test"):
        path = lists / f"{split}list{official_split:02d}.txt"
        for line in _lines(path):
            wanted, _, number = line.partition(" ")  # only the train lists carry the number
            label = spelt.get(wanted.split("/")[0].lower(), wanted.split("/")[0])
            if number and classes.get(number.strip()) != label:
                raise DataError(
                    f"{path}: {wanted} has label {number.strip()}, which classInd.txt calls "
                    f"{classes.get(number.strip())}; take lists and classes of one release"
                )
            group = wanted.rpartition("_")[0].rpartition("/")[2]  # v_Archery_g01_c02 -> ..._g01
            rows.append({"wanted": wanted, "label": label, "split": split, "group": group})
    return pd.DataFrame(rows)


def hmdb51_layout(data_root: Path, lists: Path, official_split: int) -> pd.DataFrame:
    """HMDB51's own lists, `{class}_test_split{k}.txt`."""
    table = hmdb51_lists(lists, official_split)
    return _with_paths(table, _find_videos(data_root))


def hmdb51_lists(lists: Path, official_split: int) -> pd.DataFrame:
    """The columns wanted (class folder and file), label and split of HMDB51's lists."""
    ending = f"_test_split{official_split}.txt"
    paths = sorted(lists.glob(f"*{ending}"))
    if not paths:
        raise DataError(f"{lists}: no *{ending} in it; {_put_lists(lists)}")
    flags = {"1": "train", "2": "test"}  # 0 marks a clip this split does not use
    rows = []
    for path in paths:
        label = path.name.removesuffix(ending)
        for line in _lines(path):
            name, _, flag = line.rpartition(" ")
            if flag in flags:
                row = {"wanted": f"{label}/{name.strip()}", "label": label, "split": flags[flag]}
                rows.append(row)
            elif flag != "0":
                raise DataError(f"{path}: '{line}' has no flag 0, 1 or 2; is it HMDB51's own list?")
    return pd.DataFrame(rows)


def kinetics_layout(data_root: Path, lists: Path) -> pd.DataFrame:
    """Kinetics' CSV lists; clips are `{label}/{youtube_id}_{start:06d}_{end:06d}.mp4`."""
    paths = sorted(lists.glob("*.csv"))
    if not paths:
        raise DataError(f"{lists}: no CSV in it; {_put_lists(lists)}")
    tables = []
    for path in paths:
        table = _read_csv(path)
        columns = ("label", "youtube_id", "time_start", "time_end", "split")
        _need_columns(table, columns, path)
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    names = table[["label", "youtube_id", "time_start", "time_end"]]
    try:
        table["wanted"] = [
            f"{label}/{youtube_id}_{int(start):06d}_{int(end):06d}.mp4"
            for label, youtube_id, start, end in names.itertuples(index=False)
        ]
    except (ValueError, OverflowError) as error:
        raise DataError(f"{lists}: a time that is no whole second ({error})") from error
    return _with_paths(table, _find_videos(data_root))


def _with_paths(table: pd.DataFrame, found: dict[str, str]) -> pd.DataFrame:
    """Turn `wanted` into `path`: where the file lies, or as wanted where it is missing."""
    paths = [found.get(_plain(wanted), wanted) for wanted in table["wanted"]]
    return table.drop(columns="wanted").assign(path=paths)


def _find_videos(data_root: Path) -> dict[str, str]:
    """Every video below `data_root`: its class folder and name, made plain -> relative path."""
    videos = (path.relative_to(data_root) for path in _videos(data_root))
    return {_plain("/".join(path.parts[-2:])): path.as_posix() for path in videos}


def _plain(name: str) -> str:
    """A name without what lists and files differ in: letter case, and how accents are written.

    UCF101's HandstandPushups folder holds v_HandStandPushups clips, and unpacked copies differ
    again; a Mac writes é as e and an accent.
    """
    return unicodedata.normalize("NFC", name).lower()


def _class_folders(data_root: Path, folders: Iterable[Path]) -> Iterator[dict[str, str]]:
    for folder in folders:
        videos = list(_videos(folder))
        if not videos:
            raise DataError(f"{folder}: a class without clips; add videos or remove the folder")
        for path in videos:
            yield {"path": path.relative_to(data_root).as_posix(), "label": folder.name}


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not _hidden(each))


def _videos(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Videos anywhere below `folder`, nothing hidden, in a fixed order.

    Links are followed, but not into a folder `above`. One that leads nowhere counts as a video:
    that its file is missing is said later.
    """
    real = folder.resolve()
    if real in above:
        return
    for each in sorted(folder.iterdir()):
        if _hidden(each):
            continue
        if each.is_dir():
            yield from _videos(each, above | {real})
        elif each.suffix.lower() in VIDEO_SUFFIXES:
            yield each


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _put_lists(folder: Path) -> str:
    return f"put the official lists into {folder} (in Python, lists= names another folder)"


def _lines(path: Path) -> list[str]:
    """The lines of a list, without CRLF, blanks around them and empty ones."""
    if not path.is_file():
        raise DataError(f"{path}: no such list; {_put_lists(path.parent)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason}); save it as such") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such table; check its name and the folder's")
    try:
        # Empty is what has no letter: "NA" or "null" may be a class.
        text = dict.fromkeys(TEXT_COLUMNS, str)
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: not a CSV table ({error})") from error
    if table.empty:
        raise DataError(f"{path}: a table without rows")
    return table


def _need_columns(
    table: pd.DataFrame, columns: Iterable[str], path: Path, *, instead: str | None = None
) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        choice = f" (or {instead})" if instead else ""
        raise DataError(
            f"{path}: no column {', '.join(missing)}{choice}; it has {', '.join(table.columns)}"
        )
    for column in columns:
        if table[column].isna().any():
            row = int(table[column].isna().to_numpy().argmax())
            raise DataError(f"{path}: row {row + 2} lacks its {column}; fill it in")
