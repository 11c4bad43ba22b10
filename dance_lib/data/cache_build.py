"""Fills the folder of a clip cache, and goes on where a killed build stopped.

Videos are decoded side by side but written in order. The journal gets a line for each video once
its clips are in `clips.npy`, so after a kill the file is cut back to the clips the journal knows.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from dance_lib.data.decode import ClipShape, VideoFacts, read_video
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.data.parallel import in_parallel, lost_worker_told
from dance_lib.data.sampling import ClipSampling

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
        DataError: a video is gone, or a process died; with `strict`, a video that does not decode.
            What was decoded is kept.
    """
    folder.mkdir(exist_ok=True)
    journal = folder / "journal.jsonl"
    _take_out_torn_line(journal)
    videos, clips = _count(journal)
    left = paths[videos:]  # written in order, so what is done is a beginning
    decode = partial(_decode, data_root=data_root, clip_shape=clip_shape, sampling=sampling)
    with lost_worker_told(), (folder / "clips.npy").open("ab") as file, journal.open("a") as log:
        _cut_back(file, clip_shape, clips)
        for entry, frames in in_parallel(decode, left, workers=workers, title="decode"):
            if strict and entry["reason"]:
                raise damaged(entry["path"], entry["reason"])
            file.write(frames.numpy().data)
            file.flush()
            print(json.dumps(entry), file=log, flush=True)
            clips += len(frames)
    with (folder / "clips.npy").open("r+b") as file:
        file.write(_header(clips, clip_shape))
    _write_tables(folder, journal)
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
        video = read_video(data_root / path, clip_shape=clip_shape, sampling=sampling, name=path)
    except DecodeError as error:
        if not (data_root / path).is_file():  # or a disk that is gone would pass for bad videos
            raise DataError(
                f"{data_root / path} is gone since the set was listed; bring it back, and the same "
                "command goes on from there"
            ) from error
        return entry | {"reason": error.reason}, torch.empty((0, *clip_shape, 3), dtype=torch.uint8)
    entry["spans"] = video.spans
    entry["facts"] = {f"video_{name}": fact for name, fact in asdict(video.facts).items()}
    return entry, torch.from_numpy(video.frames)  # a tensor: it comes through shared memory


def _take_out_torn_line(journal: Path) -> None:
    """Leave the whole lines of the journal; a kill may have torn the last one."""
    with journal.open("ab+") as file:
        file.seek(0)
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


def _entries(journal: Path) -> Iterator[dict[str, Any]]:
    """What the journal says of each video, one at a time: there may be 100,000."""
    with journal.open() as file:
        yield from map(json.loads, file)


def _count(journal: Path) -> tuple[int, int]:
    """Videos that are done, and their clips."""
    videos = clips = 0
    for entry in _entries(journal):
        videos += 1
        clips += len(entry["spans"])
    return videos, clips


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


def _write_tables(folder: Path, journal: Path) -> None:
    """`clips.csv` and `skipped.csv`, out of the journal."""
    with (
        (folder / "clips.csv").open("w", encoding="utf-8", newline="") as decoded,
        (folder / "skipped.csv").open("w", encoding="utf-8", newline="") as not_decoded,
    ):
        clips = csv.DictWriter(decoded, CLIP_COLUMNS, lineterminator="\n")
        skipped = csv.DictWriter(
            not_decoded, SKIPPED_COLUMNS, extrasaction="ignore", lineterminator="\n"
        )
        clips.writeheader()
        skipped.writeheader()
        for entry in _entries(journal):
            if entry["reason"]:
                skipped.writerow(entry)
            for number, (start, end) in enumerate(entry["spans"]):
                row = {"path": entry["path"], "clip": number, "start_s": start, "end_s": end}
                clips.writerow(row | entry["facts"])
