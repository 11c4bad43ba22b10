"""A network and a set of clips so small that a training stage takes a tenth of a second."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from dance_lib import Dance
from dance_lib.data.clips import ClipSet
from dance_lib.train import Recipe
from tests.networks import CLASSES, TwoBlocks

CLIPS, BATCH = 40, 16
STEPS = 3  # 16 + 16 + 8 clips an epoch
# Four epochs of retraining: AVA in the first quarter, the controller in the next, then both.
RECIPE = Recipe(batch_size=BATCH, dense_epochs=2, ava_epochs=1, controller_epochs=1, joint_epochs=2)


def make_net(seed: int = 0, **options) -> Dance:
    """`TwoBlocks` with a tile grid of 4 × 4, its weights drawn by the seed."""
    torch.manual_seed(seed)
    return Dance(TwoBlocks(), TwoBlocks.clip, grid=4, **options)


def make_clips(count: int = CLIPS, seed: int = 0, shape=TwoBlocks.clip, **columns) -> ClipSet:
    """Noise, brighter with the class; stored back to front. `columns` go into the table."""
    draw = np.random.default_rng(seed)
    targets = np.arange(count) % CLASSES
    _, frames, height, width = shape
    noise = draw.integers(0, 150, (count, frames, height, width, 3))
    pixels = (noise + 25 * targets[:, None, None, None, None]).astype(np.uint8)
    table = pd.DataFrame(
        {
            "path": [f"{i:03}.mp4" for i in range(count)],
            "label": [f"class {t}" for t in targets],
            "target": targets,
            **columns,
        }
    )
    return ClipSet(
        table=table,
        classes=tuple(f"class {k}" for k in range(CLASSES)),
        hash=f"made by {seed}",
        skipped=pd.DataFrame(columns=["path", "reason"]),
        frames=pixels[::-1].copy(),
        stored=np.arange(count)[::-1].copy(),
    )


def every_clip(clips: ClipSet) -> torch.Tensor:
    """All clips as one batch, in the order of their rows."""
    return clips.batch(np.arange(len(clips)))


def changed(clips: ClipSet, **fields) -> ClipSet:
    """The same clips under another hash, say."""
    return replace(clips, **fields)


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all weights and buffers."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two states agree to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def without_seconds(history):
    """A history without the one column that differs between two equal runs."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]
