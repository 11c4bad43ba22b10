"""A data set that goes while it is decoded is not taken for one full of bad videos."""

import shutil

import numpy as np
import pytest

from dance_lib.data import cache_build
from dance_lib.data.cache import decode_clips
from dance_lib.data.errors import DataError

NAMES = ["10.mkv", "20.mkv", "30.mkv"]


def test_it_is_told_and_decoding_goes_on_once_it_is_back(tmp_path, write_video, grey, monkeypatch):
    for name in NAMES:
        write_video(f"videos/{name}", grey([int(name[:2])] * 4))
    videos, away = tmp_path / "videos", tmp_path / "away"
    read_video, decoded = cache_build.read_video, []

    def read_and_lose(path, **arguments):
        decoded.append(path.name)
        video = read_video(path, **arguments)
        if len(decoded) == 1:
            videos.rename(away)
        return video

    monkeypatch.setattr(cache_build, "read_video", read_and_lose)

    def decode():
        return decode_clips(NAMES, videos, tmp_path / "caches", clip_shape=(2, 16, 16), workers=1)

    with pytest.raises(DataError) as caught:
        decode()
    told = f"{videos / '20.mkv'} is gone since the set was listed; bring it back, and"
    assert str(caught.value).startswith(told)

    shutil.move(away, videos)
    clips = decode()
    assert np.array_equal(clips.frames.mean(axis=(1, 2, 3, 4)), [10, 20, 30])
    assert clips.skipped.empty
    assert decoded == ["10.mkv", "20.mkv", "20.mkv", "30.mkv"]  # what was done is not repeated
