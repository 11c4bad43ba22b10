"""Which videos are meant, and where their explanations go."""

import os
from pathlib import Path

import numpy as np
import pytest

from dance_lib.data.decode import read_video
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.explain.videos import Found, explained_as, find_videos, read_clips
from tests.explain.made import CLIP, video


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found_in(folder, *names):
    return [Found(folder / name, Path(name)) for name in names]


def test_a_folder_gives_the_videos_anywhere_below_it(tmp_path):
    touch(tmp_path, "b.mp4", "a b/ü ñ.AVI", "a b/deep/c.webm", "notes.txt", "x.mp4.part",
          ".hidden.mp4", ".cache/d.mp4")  # fmt: skip
    found = find_videos([tmp_path])
    assert [str(f.inside) for f in found] == ["b.mp4", "a b/ü ñ.AVI", "a b/deep/c.webm"]
    assert [f.path for f in found] == [tmp_path / f.inside for f in found]


def test_links_are_followed_and_a_circle_ends(tmp_path):
    touch(tmp_path, "there/a.mp4", "elsewhere/b.mp4")
    here = tmp_path / "here"
    here.mkdir()
    (here / "folder").symlink_to(tmp_path / "there")
    (here / "file.mp4").symlink_to(tmp_path / "elsewhere/b.mp4")
    (here / "round").symlink_to(here)
    (here / "broken.mp4").symlink_to(tmp_path / "gone.mp4")
    assert [str(f.inside) for f in find_videos([here])] == ["file.mp4", "folder/a.mp4"]


def test_a_file_is_taken_by_any_name_and_each_video_once(tmp_path, monkeypatch):
    touch(tmp_path, "a.mp4", "clip.bin")
    monkeypatch.chdir(tmp_path)
    paths = [Path("clip.bin"), tmp_path / "a.mp4", tmp_path, Path("a.mp4")]
    assert [f.path.name for f in find_videos(paths)] == ["clip.bin", "a.mp4"]


def test_a_path_that_is_not_there_and_an_empty_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"nope\.mp4: no such file or folder"):
        find_videos([tmp_path / "nope.mp4"])
    touch(tmp_path, "notes.txt")
    with pytest.raises(DataError, match=r"no videos in it; known are \.avi, "):
        find_videos([tmp_path])


def test_one_clip_is_read_as_training_reads_it(tmp_path):
    path = video(tmp_path / "a.mp4")
    ours = read_clips(found_in(tmp_path, "a.mp4")[0], CLIP[1:], 1)
    training = read_video(path, clip_shape=CLIP[1:])
    assert (ours.facts, ours.spans) == (training.facts, training.spans)
    np.testing.assert_array_equal(ours.frames, training.frames)


def test_several_clips_are_parts_that_leave_nothing_out(tmp_path, write_video, grey):
    write_video("a.mkv", grey(list(range(0, 160, 10)), 32, 32))  # 16 frames of 0.1 s
    clips = read_clips(found_in(tmp_path, "a.mkv")[0], CLIP[1:], 2)
    assert clips.spans == [(0, pytest.approx(0.8)), (pytest.approx(0.8), pytest.approx(1.6))]
    assert clips.frames[..., 0, 0, 0].tolist() == [list(range(0, 80, 10)), list(range(80, 160, 10))]


@pytest.mark.parametrize("name", ["a:b.mp4", "-x.mp4", "%03d.mp4", os.fsdecode(b"bad\xff.mp4")])
def test_odd_names_are_read(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    video(tmp_path / "plain.mp4").rename(name)
    [found] = find_videos([Path(name)])
    assert read_clips(found, CLIP[1:], 1).frames.shape == (1, 8, 32, 32, 3)
    assert found.shown == name.replace("\udcff", "\ufffd")


def test_what_does_not_decode_is_told_by_the_name_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.mp4").write_text("no video")
    with pytest.raises(DecodeError, match=r"^x\.mp4: does not open as a video"):
        read_clips(Found(Path("x.mp4"), Path("x.mp4")), CLIP[1:], 1)


def test_one_video_is_explained_in_a_file_and_several_in_a_folder(tmp_path):
    one, two = found_in(tmp_path, "a.avi", "right/b.mov")
    assert explained_as([one], None) == [None]
    assert explained_as([one], tmp_path / "out.GIF") == [tmp_path / "out.GIF"]
    out = tmp_path / "out"
    assert explained_as([one, two], out) == [out / "a.mp4", out / "right/b.mp4"]
    dotted = tmp_path / "v1.0"
    dotted.mkdir()
    assert explained_as([one], dotted) == [dotted / "a.mp4"]


@pytest.mark.parametrize(
    ("names", "target", "message"),
    [
        (["a.avi"], "out.avi", "--explain .*out.avi: end it in .mp4 or .gif, or name a folder"),
        (["a.avi", "b.avi"], "out.mp4", "one file for 2 videos; name a folder, .*out say"),
        (["a.avi", "a.mov"], "out", r"would write .*out/a.mp4 for two videos"),
        (["a.mp4"], "a.mp4", "would write over .*a.mp4, which is read"),
    ],
)
def test_a_target_that_can_not_be_meant_is_refused(tmp_path, names, target, message):
    with pytest.raises(DataError, match=message):
        explained_as(found_in(tmp_path, *names), tmp_path / target)
