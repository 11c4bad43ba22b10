import pickle
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dance_lib.data.decode import Video, read_video
from dance_lib.data.errors import DecodeError
from dance_lib.data.sampling import ClipSampling

VALUES = [0, 20, 40, 60, 80, 100, 120, 140]  # greys of a video of 8 frames at 10 frames a second


def greys(clips: np.ndarray) -> list[int]:
    """The grey of every frame of the first clip."""
    return clips[0].mean(axis=(1, 2, 3)).round().astype(int).tolist()


def test_every_frame_once(write_video, grey):
    video = read_video(write_video("a.mkv", grey(VALUES)), clip_shape=(8, 16, 16))
    assert video.frames.shape == (1, 8, 16, 16, 3)
    assert video.frames.dtype == np.uint8
    assert greys(video.frames) == VALUES
    assert (video.facts.width, video.facts.height, video.facts.frames) == (16, 16, 8)
    assert video.facts.seconds == pytest.approx(0.8)
    assert video.spans == [(0, pytest.approx(0.8))]


def test_frames_are_spread_evenly(write_video, grey):
    # 4 shares of 0.2 s; their middles 0.1, 0.3, 0.5, 0.7 fall on frames 1, 3, 5 and 7.
    frames = read_video(write_video("a.mkv", grey(VALUES)), clip_shape=(4, 16, 16)).frames
    assert greys(frames) == [20, 60, 100, 140]


def test_fewer_frames_than_asked_repeat(write_video, grey):
    frames = read_video(write_video("a.mkv", grey([10, 90])), clip_shape=(4, 16, 16)).frames
    assert greys(frames) == [10, 10, 90, 90]


def test_one_frame(write_video, grey):
    frames = read_video(write_video("a.mkv", grey([70])), clip_shape=(3, 16, 16)).frames
    assert greys(frames) == [70, 70, 70]


def test_past_the_end_the_last_frame_stays(write_video, grey):
    sampling = ClipSampling(kind="uniform", clip_seconds=1.6)
    video = read_video(
        write_video("a.mkv", grey(VALUES)), clip_shape=(4, 16, 16), sampling=sampling
    )
    assert greys(video.frames) == [40, 120, 140, 140]  # at 0.2, 0.6, 1.0 and 1.4 s


def test_a_clip_in_the_middle(write_video, grey):
    with Video(write_video("a.mkv", grey(VALUES))) as video:
        late = video.clip(0.4, 0.8, frames=2, height=16, width=16)
        early = video.clip(0.0, 0.4, frames=2, height=16, width=16)  # and back again
    assert greys(late[None]) == [100, 140]
    assert greys(early[None]) == [20, 60]


def test_seeking_between_key_frames(write_video, grey):
    path = write_video("a.mp4", grey(list(range(0, 240, 4))), codec="libx264", pix_fmt="yuv420p")
    with Video(path) as video:  # 60 frames behind one key frame
        clip = video.clip(5.0, 5.4, frames=4, height=16, width=16)
    assert greys(clip[None]) == pytest.approx([200, 204, 208, 212], abs=3)


def test_variable_frame_rate_goes_by_time(write_video, grey):
    # On screen: 10 for 0.1 s, 20 for 0.5 s, 30 for 0.2 s (0.1 of it taken from the rate).
    path = write_video("a.mkv", grey([10, 20, 30, 30]), times=[0, 1, 6, 7])
    frames = read_video(path, clip_shape=(8, 16, 16)).frames
    assert greys(frames) == [10, 20, 20, 20, 20, 20, 30, 30]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("odd.mkv", "ffv1", "bgr0"),
        ("odd.avi", "mpeg4", "yuv420p"),
        ("odd.mp4", "libx264", "yuv444p"),
    ],
)
def test_odd_sizes_and_formats(write_video, name, codec, pix_fmt):
    pixels = np.full((4, 21, 35, 3), 200, np.uint8)
    video = read_video(
        write_video(name, pixels, codec=codec, pix_fmt=pix_fmt), clip_shape=(4, 21, 35)
    )
    assert (video.facts.width, video.facts.height) == (35, 21)
    assert greys(video.frames) == pytest.approx([200] * 4, abs=3)


def test_grey_video(write_video, grey):
    path = write_video("a.mp4", grey([200, 200]), codec="libx264", pix_fmt="gray")
    frames = read_video(path, clip_shape=(2, 16, 16)).frames
    assert (frames == frames[..., :1]).all()
    # Brightness of video runs from 16 to 235 where the file does not say otherwise.
    assert greys(frames) == pytest.approx([(200 - 16) * 255 / 219] * 2, abs=2)


def test_letterbox_keeps_the_aspect(write_video, grey):
    # 32 × 16 into 16 × 16: scaled to 16 × 8, with 4 black rows above and below.
    frames = read_video(
        write_video("a.mkv", grey([200], height=16, width=32)), clip_shape=(1, 16, 16)
    ).frames
    rows = frames[0, 0, :, :, 0]
    assert (rows[:4] == 0).all()
    assert (rows[4:12] == 200).all()
    assert (rows[12:] == 0).all()


def test_letterbox_of_a_tall_video_scaled_up(write_video, grey):
    frames = read_video(
        write_video("a.mkv", grey([200], height=16, width=8)), clip_shape=(1, 32, 32)
    ).frames
    columns = frames[0, 0, :, :, 0]
    assert (columns[:, 8:24] == 200).all()
    assert (columns[:, :8] == 0).all()
    assert (columns[:, 24:] == 0).all()


def test_rotation_by_metadata(write_video):
    pixels = np.zeros((2, 16, 32), np.uint8)
    pixels[:, :, :16] = 200  # the left half is light; turned clockwise, the upper half is
    path = write_video("a.mp4", pixels, codec="libx264", pix_fmt="gray")
    turn_clockwise(path)
    video = read_video(path, clip_shape=(1, 32, 16))
    assert (video.facts.width, video.facts.height) == (16, 32)
    upper, lower = video.frames[0, 0, :14], video.frames[0, 0, 18:]
    assert upper.min() > 190
    assert lower.max() < 10


def turn_clockwise(path: Path) -> None:
    """Set the display matrix in an mp4's track header to a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    one = 1 << 16
    assert struct.unpack(">9i", data[matrix : matrix + 36]) == (
        one,
        0,
        0,
        0,
        one,
        0,
        0,
        0,
        one << 14,
    )
    struct.pack_into(">9i", data, matrix, 0, one, 0, -one, 0, 0, 16 * one, 0, one << 14)
    path.write_bytes(data)


def test_non_square_pixels(tmp_path):
    path = tmp_path / "a.mp4"
    white = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 255, np.uint8), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)  # each pixel twice as wide as high
        container.mux(stream.encode(white))
        container.mux(stream.encode())
    video = read_video(path, clip_shape=(1, 16, 32))
    assert (video.facts.width, video.facts.height) == (32, 16)
    assert video.frames.min() > 250


def test_not_videos(tmp_path):
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("not a video\n" * 100)
    for path in (empty, text):
        with pytest.raises(DecodeError, match=f"{path.name}: does not open as a video"):
            Video(path)
    with pytest.raises(DecodeError, match=r"gone.mp4: no such file"):
        Video(tmp_path / "gone.mp4")


def test_truncated(write_video):
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64), dtype=np.uint8)
    path = write_video("a.mkv", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DecodeError, match=r"a.mkv: (ends|damaged) after .*"):
        read_video(path, clip_shape=(4, 16, 16))


def test_zero_length(tmp_path):
    """A video stream in which nothing was ever written."""
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "gray"
        container.start_encoding()
    with pytest.raises(DecodeError, match=r"none.mkv: ") as refused:
        read_video(path, clip_shape=(4, 16, 16))
    assert len(str(refused.value).splitlines()) == 1


def test_sound_alone(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    with pytest.raises(DecodeError, match="holds no video stream"):
        Video(path)


def test_error_crosses_processes():
    error = pickle.loads(pickle.dumps(DecodeError("a.mp4", "holds no video stream")))
    assert str(error) == "a.mp4: holds no video stream"
    assert error.reason == "holds no video stream"


@pytest.mark.shared_data
def test_odd_real_videos(shared_data):
    odd = shared_data / "odd_videos"
    turned = read_video(odd / "decord_video_90.mov", clip_shape=(4, 32, 32))
    assert (turned.facts.width, turned.facts.height, turned.facts.frames) == (320, 568, 3)
    real = read_video(odd / "ucf101_v_Basketball_g01_c01.avi", clip_shape=(4, 30, 40))
    assert (real.facts.width, real.facts.height, real.facts.frames) == (320, 240, 141)
    assert real.frames.mean(axis=(2, 3, 4)).min() > 20
    with pytest.raises(DecodeError, match="damaged after 28 frames"):
        read_video(odd / "decord_corrupted.mp4", clip_shape=(4, 32, 32))
    with pytest.raises(DecodeError, match="holds no video stream"):
        read_video(odd / "empty_258bytes_ImgVideo.mp4", clip_shape=(4, 32, 32))
