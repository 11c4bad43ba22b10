"""What training takes beside a network's forward: decoding, reading, changing clips, going back.

OMP_NUM_THREADS=1 python -m dance_lib.bench.training results/reference/bench/training.csv
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from dance_lib.bench.interleave import interleave
from dance_lib.bench.provenance import provenance
from dance_lib.data.augmentation import augmentation
from dance_lib.data.clips import as_clips
from dance_lib.data.decode import read_video
from dance_lib.data.encode import write_video
from dance_lib.models.zoo import create_model
from dance_lib.network import Dance
from dance_lib.train.layout import laid_out

MODEL, SHAPE, CLASSES = "r2plus1d_18", (3, 16, 112, 112), 400
VIDEO = (250, 256, 340)  # frames, height, width: ten seconds, the short side as sets are kept
BATCH = 32  # clips that are read and changed at once
STEP = 2  # clips of a training step: six seconds of one core
PREPARING, COMPUTING, QUICK = ("decode", "read", "augment"), ("forward", "step"), 8


def measure(rounds: int) -> pd.DataFrame:
    """A row a part: name, ms_per_clip and its quartiles, rounds, kind, where it was measured.

    What takes a network has `rounds` of them, the rest `QUICK` times as many.

    The clock is that of the processor time of this process, all its threads: what a core has to
    do, also where others want the core.

    `decode` reads 16 frames of a whole video; `read` takes clips from a memory map that lies in
    memory; `augment` shifts and brightens; `forward` and `step` are PyTorch's, float32, in the
    layout that training has.
    """
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        parts = _parts(Path(folder))
        times = pd.concat(
            interleave({name: parts[name][0] for name in names}, many, warmup=1, clock=process_time)
            for names, many in ((PREPARING, QUICK * rounds), (COMPUTING, rounds))
        )
    rows = []
    for name, (_, clips) in parts.items():
        ms = times.loc[times["name"] == name, "ms"] / clips
        low, middle, high = ms.quantile([0.25, 0.5, 0.75])
        quartiles = {"ms_per_clip": middle, "ms_q25": low, "ms_q75": high}
        rows.append({"name": name, **quartiles, "clips": clips, "rounds": len(ms)})
    about = {"model": MODEL, "clip_shape": "x".join(map(str, SHAPE)), "threads": "one"}
    return pd.DataFrame(rows).assign(kind="measured", **about, **provenance(0))


def _parts(folder: Path) -> dict[str, tuple[Callable[[], object], int]]:
    """Each part, and how many clips a call of it handles."""
    draw = np.random.default_rng(0)
    video = folder / "video.mp4"
    write_video(video, _moving(draw), fps=25)
    stored = draw.integers(0, 256, (BATCH, *SHAPE[1:], 3), dtype=np.uint8)
    np.save(folder / "clips.npy", stored)
    frames = np.load(folder / "clips.npy", mmap_mode="r")
    rows = draw.permutation(BATCH)
    clips = as_clips(stored)
    change, generator = augmentation(), torch.Generator().manual_seed(0)
    net = laid_out(Dance(create_model(MODEL, CLASSES, SHAPE), SHAPE))
    few, targets = clips[:STEP], torch.zeros(STEP, dtype=torch.long)

    def forward() -> None:
        net.eval()
        with torch.inference_mode():
            net.dense(few)

    def step() -> None:
        net.train()
        F.cross_entropy(net.dense(few), targets).backward()
        net.zero_grad()

    return {
        "decode": (lambda: read_video(video, clip_shape=SHAPE[1:]), 1),
        "read": (lambda: as_clips(np.ascontiguousarray(frames[rows])), BATCH),
        "augment": (lambda: change(clips, generator), BATCH),
        "forward": (forward, STEP),
        "step": (step, STEP),
    }


def _moving(draw: np.random.Generator) -> np.ndarray:
    """Blocks of colour, moved from frame to frame: a codec finds motion to follow, and detail."""
    length, height, width = VIDEO
    coarse = draw.integers(0, 256, (height // 8, (width + length) // 8 + 1, 3), dtype=np.uint8)
    scene = coarse.repeat(8, 0).repeat(8, 1)
    return np.stack([scene[:height, t : t + width] for t in range(length)])


if __name__ == "__main__":
    measure(rounds=5).to_csv(sys.argv[1], index=False)
