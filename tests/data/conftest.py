"""Small videos made by hand, and the way to the real material."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.threads import one_thread  # noqa: F401

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material; tests that ask for it are marked `shared_data`."""
    folder = os.environ.get("DANCE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("DANCE_DATA does not name the folder of real material")
    return Path(folder)


@pytest.fixture
def two_cores(monkeypatch):
    """Two workers are two processes, whatever this machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.fixture
def write_video(tmp_path: Path) -> Write:
    """Write frames (T, H, W) or (T, H, W, 3) without loss; by name below the test's folder."""

    def write(
        name: str,
        frames: np.ndarray,
        *,
        fps: int = 10,
        codec: str = "ffv1",
        pix_fmt: str = "gray",
        times: list[int] | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pix_fmt
            for number, pixels in enumerate(frames):
                layout = "gray" if pixels.ndim == 2 else "rgb24"
                frame = av.VideoFrame.from_ndarray(pixels, format=layout)
                frame.pts = times[number] if times else number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def grey() -> Callable[..., np.ndarray]:
    """Frames of one grey each: frame t has the value `values[t]`."""

    def frames(values: list[int], height: int = 16, width: int = 16) -> np.ndarray:
        column = np.array(values, np.uint8)[:, None, None]
        return np.broadcast_to(column, (len(values), height, width)).copy()

    return frames
