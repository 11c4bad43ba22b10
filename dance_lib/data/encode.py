"""Frames to an mp4 file."""

from pathlib import Path

import av
import numpy as np


def write_video(path: Path, frames: np.ndarray, *, fps: int, crf: int = 14) -> None:
    """Write `frames`, uint8 (T, H, W, 3), as H.264 in mp4.

    The same frames give the same bytes: hence one encoder thread, and x264's macroblock tree off,
    which on frames this small reads memory nobody wrote, with now and then another result.
    H and W must be even, as colours are stored at half resolution.
    """
    options = {"crf": str(crf), "preset": "veryfast", "x264-params": "mbtree=0"}
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", threads=1)))
        container.mux(stream.encode())
