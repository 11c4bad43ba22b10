import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dance_lib.data import cache_build
from dance_lib.data.cache import DecodedClips, decode_clips
from dance_lib.data.errors import DataError
from dance_lib.data.sampling import ClipSampling

SHAPE = (2, 16, 16)


@pytest.fixture
def videos(tmp_path, write_video, grey) -> Path:
    """Three videos of one grey each, 10, 20 and 30."""
    for value in (10, 20, 30):
        write_video(f"videos/{value}.mkv", grey([value] * 4))
    return tmp_path / "videos"


@pytest.fixture
def decode(videos, tmp_path):
    def run(*names: str, **more) -> DecodedClips:
        arguments = {"clip_shape": SHAPE, "workers": 1} | more
        return decode_clips(names, videos, tmp_path / "caches", **arguments)

    return run


@pytest.fixture
def decoded_names(monkeypatch) -> list[str]:
    """The videos that were really decoded, in order."""
    names: list[str] = []
    read_video = cache_build.read_video

    def spy(path: Path, **arguments):
        names.append(path.name)
        return read_video(path, **arguments)

    monkeypatch.setattr(cache_build, "read_video", spy)
    return names


def greys(clips: DecodedClips) -> list[int]:
    return clips.frames.mean(axis=(1, 2, 3, 4)).round().astype(int).tolist()


def test_random_clips_are_the_same_wherever_the_set_lies(videos, tmp_path):
    """As the hash of the data says, and the name of the cache."""
    shutil.copytree(videos, tmp_path / "moved")
    sampling = ClipSampling(kind="random", clip_seconds=0.1)
    starts = [
        decode_clips(
            ["10.mkv", "20.mkv", "30.mkv"], place, tmp_path / place.name,
            clip_shape=SHAPE, sampling=sampling, workers=1,
        ).table["start_s"].tolist()
        for place in (videos, tmp_path / "moved")
    ]  # fmt: skip
    assert starts[0] == starts[1]
    assert len(set(starts[0])) == 3  # and differ by video


def test_clips_in_order_as_a_memory_map(decode):
    clips = decode("30.mkv", "10.mkv")
    assert isinstance(clips.frames, np.memmap)
    assert clips.frames.shape == (2, *SHAPE, 3)
    assert clips.frames.dtype == np.uint8
    assert greys(clips) == [30, 10]
    assert clips.table["path"].tolist() == ["30.mkv", "10.mkv"]
    assert clips.table[["clip", "start_s", "end_s"]].to_numpy().tolist() == [[0, 0, 0.4]] * 2
    facts = clips.table[["video_width", "video_height", "video_frames", "video_seconds"]]
    assert facts.to_numpy().tolist() == [[16, 16, 4, 0.4]] * 2
    assert clips.skipped.empty


@pytest.mark.usefixtures("two_cores")
def test_two_workers_give_the_same(decode, tmp_path):
    alone = decode("10.mkv", "20.mkv", "30.mkv", name="alone")
    shared = decode("10.mkv", "20.mkv", "30.mkv", name="shared", workers=2)
    assert np.array_equal(alone.frames, shared.frames)
    assert alone.table.equals(shared.table)


def test_nothing_is_decoded_twice(decode, decoded_names):
    decode("10.mkv", "20.mkv")
    decode("10.mkv", "20.mkv")
    assert decoded_names == ["10.mkv", "20.mkv"]


@pytest.mark.parametrize(
    "change",
    [
        {"clip_shape": (3, 16, 16)},
        {"clip_shape": (2, 16, 32)},
        {"sampling": ClipSampling(clips_per_video=2)},
    ],
)
def test_another_shape_or_sampling_is_another_cache(decode, decoded_names, change):
    decode("10.mkv")
    decode("10.mkv", **change)
    assert decoded_names == ["10.mkv", "10.mkv"]


def test_a_changed_file_is_decoded_again(decode, write_video, grey):
    decode("10.mkv", "20.mkv")
    write_video("videos/10.mkv", grey([99] * 5))
    assert greys(decode("10.mkv", "20.mkv")) == [99, 20]


def test_several_clips_a_video(decode):
    clips = decode("10.mkv", "20.mkv", sampling=ClipSampling(clips_per_video=3))
    assert greys(clips) == [10, 10, 10, 20, 20, 20]
    assert clips.table["clip"].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_killed_build_goes_on(decode, decoded_names, monkeypatch, tmp_path):
    read_video = cache_build.read_video

    def killed_at_30(path: Path, **arguments):
        if path.name == "30.mkv":
            raise KeyboardInterrupt
        return read_video(path, **arguments)

    monkeypatch.setattr(cache_build, "read_video", killed_at_30)
    names = ("10.mkv", "20.mkv", "30.mkv", "10.mkv")
    with pytest.raises(KeyboardInterrupt):
        decode(*names)
    monkeypatch.setattr(cache_build, "read_video", read_video)
    (unfinished,) = (tmp_path / "caches").glob("*.unfinished")
    # Killed while it wrote: a torn clip, and a torn line of the journal.
    with (unfinished / "clips.npy").open("ab") as file:
        file.write(b"half a clip")
    with (unfinished / "journal.jsonl").open("a") as file:
        file.write('{"path": "30.mk')
    decoded_names.clear()
    clips = decode(*names)
    assert decoded_names == ["30.mkv", "10.mkv"]
    assert greys(clips) == [10, 20, 30, 10]
    assert not list((tmp_path / "caches").glob("*.unfinished"))


def test_a_video_that_does_not_decode_is_skipped_counted_and_listed(decode, videos, caplog):
    (videos / "bad.mp4").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        clips = decode("10.mkv", "bad.mp4", "30.mkv")
    assert greys(clips) == [10, 30]
    (skipped,) = clips.skipped.to_dict("records")
    assert skipped["path"] == "bad.mp4"
    assert skipped["reason"].startswith("does not open as a video")
    (warning,) = caplog.messages
    assert warning.startswith("1 of 3 videos do not decode and are left out, listed in ")
    assert pd.read_csv(warning.rpartition(" ")[2])["path"].tolist() == ["bad.mp4"]


def test_strict(decode, videos):
    (videos / "bad.mp4").write_bytes(b"")
    message = "bad.mp4: does not open as a video .*; repair or remove the video, or skip it"
    with pytest.raises(DataError, match=message):
        decode("10.mkv", "bad.mp4", strict=True)
    decode("10.mkv", "bad.mp4")
    with pytest.raises(DataError, match=message):  # from the cache, too
        decode("10.mkv", "bad.mp4", strict=True)


def test_no_video_decodes(decode, videos):
    (videos / "bad.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 1 videos decodes; the first, bad.mp4: does not"):
        decode("bad.mp4")
