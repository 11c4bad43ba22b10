"""Frames of a video at given times, letterboxed to one size.

PyAV seeks to the first wanted frame and decodes up to the last one. Times are presentation times,
so a variable frame rate needs nothing special.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.stream import Disposition

from dance_lib.arguments import Size, checked
from dance_lib.data.errors import DecodeError
from dance_lib.data.letterbox import letterbox, shown_size
from dance_lib.data.sampling import ClipSampling, clip_spans

ClipShape = tuple[Size, Size, Size]  # T, H, W
ROUNDING = 1e-6  # seconds: a frame that starts at the wanted time counts as on screen
SHORTFALL = 0.1  # a video that ends earlier than it says, by more than this share, is damaged
# Containers that hold their frames themselves. Playlists and the like name files and hosts, and a
# file that is one by its contents would have them read, whatever it is called.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpeg,mpegts,flv,ogg,gif,mp3,wav,flac,aac"
)
OPENING = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
COVER = Disposition.attached_pic
UNTIMED = ("mpeg", "mpegts")  # say no length: FFmpeg guesses it from what it finds near the end


@dataclass(frozen=True)
class VideoFacts:
    """Size as shown (turned and with square pixels), length and number of frames of a video."""

    width: int
    height: int
    seconds: float
    frames: int


class Video:
    """An open video; a context manager.

    Raises:
        DecodeError: the file does not open, holds no video, breaks off, or is damaged where it is
            read. The message starts with the path.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise DecodeError(path, "no such file")
        try:
            # `file:`, or a name like `concat:...` would be a protocol; titles may be in any code.
            self._container = av.open(f"file:{path}", options=OPENING, metadata_errors="replace")
        except av.FFmpegError as error:
            raise DecodeError(path, f"does not open as a video ({error.strerror})") from error
        try:
            self._stream = self._open_stream()
            first = next(self._decode(), None)
            if first is None:
                raise DecodeError(path, "not a single frame decodes")
            self.facts = self._facts(first)
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def clip(self, start: float, end: float, *, frames: int, height: int, width: int) -> np.ndarray:
        """`frames` frames spread evenly over [start, end) seconds, uint8 (T, height, width, 3).

        Each is the one on screen in the middle of its share of the time. Where there are fewer
        frames than asked, some repeat; past the end of the video, the last one does.
        """
        times = start + (np.arange(frames) + 0.5) * (end - start) / frames + ROUNDING
        shown = self._frames_at(times)
        aspect = float(self._stream.sample_aspect_ratio or 1)
        return np.stack([letterbox(frame, aspect, height, width) for frame in shown])

    def _open_stream(self) -> av.VideoStream:
        films = [s for s in self._container.streams.video if not s.disposition & COVER]
        if not films:
            raise DecodeError(self.path, "holds no video stream")
        stream = films[0]
        if stream.codec_context is None:
            raise DecodeError(self.path, "is coded in a way that nothing here decodes")
        stream.codec_context.thread_count = 1  # callers read one file per core
        return stream

    def _facts(self, first: av.VideoFrame) -> VideoFacts:
        width, height = shown_size(first, float(self._stream.sample_aspect_ratio or 1))
        seconds = self._said_seconds()
        rate = float(self._stream.average_rate or 0)
        if seconds and rate:
            return VideoFacts(width, height, seconds, self._stream.frames or round(seconds * rate))
        times = [self._time(frame) for frame in self._decode_from(0.0)]  # no header: count
        step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / (rate or 25)
        return VideoFacts(width, height, times[-1] + step, len(times))

    def _said_seconds(self) -> float | None:
        """The length by the header, where it says one."""
        if self._container.format.name in UNTIMED:
            return None
        said = float((self._stream.duration or 0) * (self._stream.time_base or 0))
        said = said or (self._container.duration or 0) / av.time_base
        return said if said > 0 else None

    def _frames_at(self, times: np.ndarray) -> list[av.VideoFrame]:
        """The frame on screen at each of the rising `times`; the first or last one outside."""
        shown: list[av.VideoFrame] = []
        current: av.VideoFrame | None = None
        for frame in self._decode_from(float(times[0])):
            starts = self._time(frame)
            while current is not None and len(shown) < len(times) and times[len(shown)] < starts:
                shown.append(current)
            current = frame
            if len(shown) == len(times):
                return shown
        if current is None:
            raise DecodeError(self.path, f"not a single frame decodes at {times[0]:.2f} s")
        self._check_end(current, float(times[-1]))
        return shown + [current] * (len(times) - len(shown))

    def _check_end(self, last: av.VideoFrame, wanted: float) -> None:
        """Refuse a video that broke off long before the time it says it lasts."""
        ends = self._time(last) + float((last.duration or 0) * (last.time_base or 0))
        missing = min(wanted, self.facts.seconds) - ends
        if missing > SHORTFALL * self.facts.seconds:
            raise DecodeError(
                self.path, f"ends after {ends:.2f} of {self.facts.seconds:.2f} s, is it cut off?"
            )

    def _decode_from(self, seconds: float) -> Iterator[av.VideoFrame]:
        """Frames from the last one that starts at or before `seconds` (or a little earlier)."""
        time_base = self._stream.time_base
        assert time_base is not None  # every opened video stream has one
        origin = self._stream.start_time or 0
        self._seek(origin + int(seconds / time_base))
        frames = self._decode()
        first = next(frames, None)
        if first is None or self._time(first) > seconds:  # a file that seeks badly: start over
            self._seek(min(0, origin))
            yield from self._decode()
            return
        yield first
        yield from frames

    def _seek(self, offset: int) -> None:
        try:
            self._container.seek(offset, stream=self._stream)
        except av.FFmpegError as error:
            raise DecodeError(self.path, f"does not seek ({error.strerror})") from error

    def _decode(self) -> Iterator[av.VideoFrame]:
        decoded = 0
        try:
            for frame in self._container.decode(self._stream):
                decoded += 1
                if frame.pts is not None:
                    yield frame
        except av.FFmpegError as error:
            raise DecodeError(
                self.path, f"damaged after {decoded} frames ({error.strerror})"
            ) from error

    def _time(self, frame: av.VideoFrame) -> float:
        """Seconds since the start of the video at which `frame` comes on screen."""
        assert frame.time is not None
        start = (self._stream.start_time or 0) * (self._stream.time_base or 0)
        return frame.time - float(start)


@dataclass(frozen=True)
class VideoClips:
    """The clips of one video: `frames` is uint8 (clips, T, H, W, 3), `spans` in seconds."""

    facts: VideoFacts
    spans: list[tuple[float, float]]
    frames: np.ndarray


@checked
def read_video(
    path: str | Path,
    *,
    clip_shape: ClipShape,
    sampling: ClipSampling | None = None,
    name: str | None = None,
) -> VideoClips:
    """Read the clips of one video, for `clip_shape` = (T, H, W); by default one, of the whole.

    Args:
        name: with the seed, decides where random clips are; by default the path as it is given.

    Raises:
        DecodeError: the video does not decode.
    """
    frames, height, width = clip_shape
    with Video(path) as video:
        spans = clip_spans(sampling or ClipSampling(), video.facts.seconds, name or str(path))
        clips = [video.clip(*span, frames=frames, height=height, width=width) for span in spans]
    return VideoClips(video.facts, spans, np.stack(clips))
