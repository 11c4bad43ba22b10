"""Which stretches of a video become clips, by pytorchvideo's clip samplers."""

import random
from fractions import Fraction
from typing import Literal

from pydantic import Field, model_validator

from dance_lib.arguments import Options
from dance_lib.data._pytorchvideo import ClipSampler, make_clip_sampler
from dance_lib.data.errors import DecodeError

MOST_CLIPS = 10_000  # of one video, which lie in memory together


class ClipSampling(Options):
    """How a video is cut into clips.

    `kind` names a sampler of pytorchvideo: `constant_clips_per_video` spreads `clips_per_video`
    clips over the video, `uniform` cuts it end to end, `random` draws one place by `seed`.
    `clip_seconds` is the length of a clip; None makes each clip an equal part of the video, the
    whole of it for one clip a video.
    """

    kind: Literal["constant_clips_per_video", "uniform", "random"] = "constant_clips_per_video"
    clips_per_video: int = Field(default=1, ge=1, le=MOST_CLIPS)
    clip_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    seed: int = 0

    @model_validator(mode="after")
    def _fits(self) -> "ClipSampling":
        if self.kind != "constant_clips_per_video":
            if self.clip_seconds is None:
                raise ValueError(f"{self.kind} clips need clip_seconds")
            if self.clips_per_video != 1:
                raise ValueError(f"clips_per_video belongs to constant clips, not to {self.kind}")
        return self


def clip_spans(
    sampling: ClipSampling, video_seconds: float, video: str
) -> list[tuple[float, float]]:
    """Start and end in seconds of every clip of a video.

    Args:
        sampling: how to cut.
        video_seconds: the video's length.
        video: its name; with the seed, it decides the draw of `random`.

    Raises:
        DecodeError: it says to be so long that its clips would not fit into memory.
    """
    if sampling.kind == "uniform" and video_seconds > MOST_CLIPS * (sampling.clip_seconds or 0):
        raise DecodeError(video, f"{video_seconds:g} s make more than {MOST_CLIPS} clips")
    state = random.getstate()  # pytorchvideo draws from the global generator
    random.seed(f"{sampling.seed} {video}".encode(errors="surrogateescape"))
    try:
        return _spans(_sampler(sampling, video_seconds), video_seconds)
    finally:
        random.setstate(state)


def _sampler(sampling: ClipSampling, video_seconds: float) -> ClipSampler:
    if sampling.clip_seconds is None:
        clip_seconds = Fraction(video_seconds) / sampling.clips_per_video
    else:
        clip_seconds = Fraction(sampling.clip_seconds)
    if sampling.kind == "constant_clips_per_video":
        return make_clip_sampler(sampling.kind, clip_seconds, sampling.clips_per_video)
    return make_clip_sampler(sampling.kind, clip_seconds)


def _spans(sampler: ClipSampler, video_seconds: float) -> list[tuple[float, float]]:
    spans = []
    end: float | Fraction = 0.0
    while True:
        clip = sampler(end, video_seconds, {})
        end = clip.clip_end_sec
        spans.append((float(clip.clip_start_sec), float(end)))
        if clip.is_last_clip:
            return spans
