"""`dance predict`: what a network says of videos, and what that costs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from dance_lib.atomic import replacing
from dance_lib.bench.provenance import RIVALS, provenance
from dance_lib.data.clips import as_clips
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.explain.decision import Decision, decide
from dance_lib.explain.latency import latency
from dance_lib.explain.opened import Opened, open_checkpoint
from dance_lib.explain.report import block, counted, row_of, table
from dance_lib.explain.video import write_explained
from dance_lib.explain.videos import Found, explained_as, find_videos, read_clips

Say = Callable[[str], object]
Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What the command line says.

    Attributes:
        videos: files, and folders of them.
        top: likeliest classes that are shown of a single video.
        clips: equal parts a video is cut into; their probabilities are averaged.
        explain: an mp4 or gif, or a folder for several videos.
        csv: for a table with a row a video.
        rounds: timed runs of each form; 0 for none.
    """

    checkpoint: Path
    videos: Sequence[Path]
    top: int = 5
    clips: int = 1
    explain: Path | None = None
    csv: Path | None = None
    rounds: int = 5


def predict(asked: Asked, say: Say, complain: Say) -> None:
    """Tell of each video; one of several that does not decode is named, and left out.

    The csv has what was found when the command is stopped early.

    Raises:
        DanceError: what is wrong with the checkpoint, the paths or the options; or no video
            decodes.
    """
    videos = find_videos(asked.videos)
    places = explained_as(videos, asked.explain)
    _check_csv(asked, videos, places)
    opened = open_checkpoint(asked.checkpoint, say)
    origin = _origin(asked)
    rows: list[Row] = []
    try:
        for decision, row in _decisions(opened, asked, videos, places, complain):
            rows.append(row | origin)
            if len(videos) == 1:
                for line in block(decision, row, opened.classes, asked.top):
                    say(line)
    finally:
        if asked.csv is not None and rows:
            _write(pd.DataFrame(rows), asked.csv)
    if not rows:
        raise DataError(f"none of {len(videos)} videos decodes; the reasons are above")
    if len(videos) > 1:
        for line in table(rows):
            say(line)
        say(f"{counted(len(rows), 'video')}, {len(videos) - len(rows)} skipped")
    if all(row["mac_ratio"] >= 1 for row in rows):
        say("all is kept, as a controller does that was not trained: is this a dense checkpoint?")
    for line in _notes(asked, opened, origin):
        say(line)


def _decisions(
    opened: Opened,
    asked: Asked,
    videos: Sequence[Found],
    places: Sequence[Path | None],
    complain: Say,
) -> Iterator[tuple[Decision, Row]]:
    """Each video that decodes, decided, timed and explained."""
    barred = len(videos) > 1 and sys.stderr.isatty()
    shown = tqdm(videos, unit="video", leave=False) if barred else videos
    for video, place in zip(shown, places, strict=True):
        try:
            clips = read_clips(video, opened.net.clip_shape[1:], asked.clips)
        except DecodeError as error:
            if len(videos) == 1:
                raise
            with tqdm.external_write_mode(sys.stderr):
                complain(f"skipped: {error}")
            continue
        decision = decide(opened.net, clips)
        times = latency(opened.net, opened.fast, as_clips(clips.frames), asked.rounds)
        executed = opened.executed_ratio(decision.plan)
        if place is not None:
            write_explained(decision, opened.classes, place)
        row = row_of(decision, opened.classes, opened.net.structure.dense_macs, executed, times)
        yield decision, {"path": video.shown, **row}


def _origin(asked: Asked) -> Row:
    """The columns that are the same for every video."""
    found = provenance(seed=0)  # of the order of timed runs
    left_out = (*RIVALS, "seed")
    return {
        "checkpoint": str(asked.checkpoint),
        "rounds": asked.rounds,
        "threads": torch.get_num_threads(),
        **{name: value for name, value in found.items() if name not in left_out},
        "kind": "measured",
    }


def _notes(asked: Asked, opened: Opened, origin: Row) -> Iterator[str]:
    """What stands below the numbers: how they were taken, and where files are."""
    if asked.rounds:
        runs, threads = counted(asked.rounds, "run"), counted(origin["threads"], "thread")
        yield (
            f"times: median of {runs} in turns, one clip at a time, {threads} of {origin['device']}"
        )
        yield "dense: PyTorch without pruning; `dance bench` times faster engines"
    if asked.rounds and opened.fast is not None:
        yield (
            "sparse: dance_lib.sparse, which skips what the plan drops; the masked form computes "
            "all of it and saves no time"
        )
    if asked.explain is not None:
        yield f"explained in {asked.explain}"
    if asked.csv is not None:
        yield f"rows in {asked.csv}"


def _check_csv(asked: Asked, videos: Sequence[Found], places: Sequence[Path | None]) -> None:
    csv = asked.csv
    if csv is None:
        return
    if not csv.parent.is_dir():
        raise DataError(f"can't write {csv}: there is no folder {csv.parent}")
    taken = [asked.checkpoint, *(video.path for video in videos), *filter(None, places)]
    if csv.is_dir() or csv.resolve() in {path.resolve() for path in taken}:
        raise DataError(f"--csv {csv}: is a folder, or read or written besides; name another file")


def _write(rows: pd.DataFrame, csv: Path) -> None:
    try:
        with replacing(csv) as partial:
            rows.to_csv(partial, index=False)
    except OSError as error:
        raise DataError(f"can't write {csv}: {error.strerror}") from error
