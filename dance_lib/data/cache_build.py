"""Fills the folder of a clip cache, and goes on where a killed build stopped.

Videos are decoded side by side but written in order. The journal gets a line for each video once
its clips are in `clips.npy`, so after a kill the file is cut back to the clips the journal knows.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import torch
from numpy.lib import format as npy
from torch import Tensor

from dance_lib.data.decode import VideoFacts, read_video
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.data.parallel import in_parallel
from dance_lib.data.sampling import ClipSampling

ClipShape = tuple[int, int, int]  # T, H, W
SKIPPED_COLUMNS = ["path", "reason"]
CLIP_COLUMNS = ["path", "clip", "start_s", "end_s"]
CLIP_COLUMNS += [f"video_{fact.name}" for fact in fields(VideoFacts)]


def build_cache(
    folder: Path,
    paths: Sequence[str],
    data_root: Path,
    clip_shape: ClipShape,
    sampling: ClipSampling,
    *,
    strict: bool,
    workers: int,
) -> None:
    """Decode the videos `paths` into `folder`: `clips.npy`, `clips.csv` and `skipped.csv`.

    Raises:
        DataError: with `strict`, for a video that does not decode. What was decoded is kept.
    """
    folder.mkdir(exist_ok=True)
    journal = folder / "journal.jsonl"
    entries = _read_journal(journal)
    left = list(paths[len(entries) :])  # written in order, so what is done is a beginning
    decode = partial(_decode, data_root=data_root, clip_shape=clip_shape, sampling=sampling)
    with (folder / "clips.npy").open("ab") as file, journal.open("a") as log:
        _cut_back(file, clip_shape, _clip_count(entries))
        for entry, clips in in_parallel(decode, left, workers=workers, title="decode"):
            if strict and entry["reason"]:
                raise damaged(entry["path"], entry["reason"])
            file.write(clips.numpy().data)
            file.flush()
            print(json.dumps(entry), file=log, flush=True)
            entries.append(entry)
    with (folder / "clips.npy").open("r+b") as file:
        file.write(_header(_clip_count(entries), clip_shape))
    _clip_table(entries).to_csv(folder / "clips.csv", index=False)
    _skipped_table(entries).to_csv(folder / "skipped.csv", index=False)
    journal.unlink()


def damaged(path: str, reason: str) -> DataError:
    """The error of a strict run."""
    return DataError(f"{path}: {reason}; repair or remove the video, or skip it with strict=False")


def _decode(
    path: str, *, data_root: Path, clip_shape: ClipShape, sampling: ClipSampling
) -> tuple[dict[str, Any], Tensor]:
    """The journal's entry for one video and its clips, uint8 (clips, T, H, W, 3)."""
    entry: dict[str, Any] = {"path": path, "reason": None, "spans": [], "facts": {}}
    try:
        video = read_video(data_root / path, clip_shape=clip_shape, sampling=sampling)
    except DecodeError as error:
        return entry | {"reason": error.reason}, torch.empty((0, *clip_shape, 3), dtype=torch.uint8)
    entry["spans"] = video.spans
    entry["facts"] = {f"video_{name}": fact for name, fact in asdict(video.facts).items()}
    return entry, torch.from_numpy(video.frames)  # a tensor: it comes through shared memory


def _read_journal(journal: Path) -> list[dict[str, Any]]:
    """Its whole lines; one that a kill tore is taken out of the file."""
    if not journal.is_file():
        return []
    whole = [line for line in journal.read_text().splitlines(keepends=True) if line[-1] == "\n"]
    journal.write_text("".join(whole))
    return [json.loads(line) for line in whole]


def _cut_back(file: BinaryIO, clip_shape: ClipShape, clips: int) -> None:
    """Leave the head and the first `clips` clips in the file."""
    header = _header(clips, clip_shape)
    if file.tell() < len(header):
        file.truncate(0)
        file.write(header)
        file.flush()
    file.truncate(len(header) + clips * 3 * int(np.prod(clip_shape)))


def _header(clips: int, clip_shape: ClipShape) -> bytes:
    """The head of `clips.npy`; numpy pads it, so its length does not depend on `clips`."""
    head = io.BytesIO()
    shape = (clips, *clip_shape, 3)
    npy.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


def _clip_count(entries: Sequence[dict[str, Any]]) -> int:
    return sum(len(entry["spans"]) for entry in entries)


def _clip_table(entries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    rows = [
        {"path": entry["path"], "clip": number, "start_s": start, "end_s": end, **entry["facts"]}
        for entry in entries
        for number, (start, end) in enumerate(entry["spans"])
    ]
    return pd.DataFrame(rows, columns=CLIP_COLUMNS)


def _skipped_table(entries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    skipped = [entry for entry in entries if entry["reason"]]
    return pd.DataFrame(skipped, columns=SKIPPED_COLUMNS)
