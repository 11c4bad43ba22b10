"""The built-in set: small handwritten digits that move, turn, grow or rest among clutter.

`make_digits` writes real mp4 files, `root/{split}/{action}/{id}.mp4`, with `manifest.csv` beside
them, so that the loader of real sets reads it too. A row of the manifest holds

- `path` (relative to root), `label` (the action), `split`, `id`;
- the ground truth: `action_start` and `action_end`, the frames [start, end) that each differ from
  the one before them, and `x0, y0, x1, y1`, the region of the action in fractions of the frame
  (all empty where the actor rests);
- the strata: `size` (of the actor, as a share of the frame), `action_frames`, `distractors` (still
  ones), `fidget` (whether one more jumps about), `contrast` (of the backdrop), `clutter` (low,
  medium or high: by still distractors and contrast), `camera` (none, pan or shake), `backdrop`
  (still or drift) and `difficulty` (easy, medium or hard: by all these but `fidget`);
- `digits`, the ids of the handwritten digits shown, the actor last.
"""

import hashlib
import json
import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import Field, model_validator

from dance_lib.arguments import Count, Options, Size, checked
from dance_lib.atomic import writing
from dance_lib.data.actions import ACTIONS
from dance_lib.data.encode import write_video
from dance_lib.data.errors import DataError
from dance_lib.data.lock import alone
from dance_lib.data.parallel import in_parallel
from dance_lib.data.rendering import Rendering, render
from dance_lib.data.scene import Scene, draw_scene
from dance_lib.data.splits import SPLITS

VERSION = 2  # of the generator: raise it whenever the same settings give other clips
Range = tuple[float, float]


class DigitsSettings(Options):
    """Everything the built-in set depends on; ranges are drawn from evenly, ends included.

    Lengths are fractions of the frame's side. A clip's action is as visible as the minimum of
    `travel`, `turn_degrees` or `growth` says, so no label is a matter of opinion.
    """

    # how much
    train: int = Field(default=2400, ge=0)
    val: int = Field(default=300, ge=0)
    test: int = Field(default=900, ge=0)
    resolution: int = Field(default=64, ge=16, multiple_of=2)
    frames: int = Field(default=16, ge=5)
    fps: int = Field(default=8, ge=1)
    seed: int = Field(default=0, ge=0)
    actor: bool = True  # False: the same clips without their actor, a baseline

    # the action
    actor_size: Range = (1 / 6, 1 / 4)  # height of the upright digit, half-way through
    action_frames: tuple[int, int] = (4, 12)
    travel: Range = (0.3, 0.5)
    turn_degrees: Range = (120, 220)
    growth: Range = (1.8, 2.6)  # largest size over smallest

    # what hides it
    distractors: tuple[int, int] = (1, 3)  # still digits
    fidget_share: float = 1.0  # of clips with one more distractor, which jumps about
    digit_contrast: Range = (0.45, 0.7)  # lightness between a digit and the backdrop's mean
    contrast: Range = (0.02, 0.08)  # standard deviation of the backdrop
    camera_shares: tuple[float, float, float] = (0.5, 0.25, 0.25)  # none, pan, shake
    pan: float = 0.08  # over the whole clip
    shake: float = 0.01  # at most, each frame anew
    drift_share: float = 0.3  # of clips whose backdrop moves on its own
    drift: float = 0.15  # over the whole clip
    jitter: float = 0.004  # at most, of each digit in each frame: change alone is no sign
    flicker: float = 0.1  # at most, of each digit's opacity in each frame

    @model_validator(mode="after")
    def _possible(self) -> "DigitsSettings":
        shortest, longest = self.action_frames
        for name, value in self:
            if isinstance(value, tuple) and len(value) == 2 and value[0] > value[1]:
                raise ValueError(f"{name} must be (lowest, highest), not {value}")
        if not 4 <= shortest <= longest < self.frames:  # three frames can't be jumbled
            raise ValueError(f"action_frames must lie in 4 to {self.frames - 1}")
        return self

    @classmethod
    @checked
    def of_clips(cls, frames: Size, size: Size, **fields: Any) -> Self:
        """For clips of `frames` frames of size × size pixels; an action takes 1/4 to 3/4 of them.

        Raises:
            DanceError: sizes, or `fields`, that the set can't have.
        """
        action = (max(4, frames // 4), max(4, frames * 3 // 4))
        return cls(resolution=size, frames=frames, action_frames=action, **fields)

    @property
    def hash(self) -> str:
        """Twelve hex digits that tell this set from any other."""
        return hashlib.sha256(self._record().encode()).hexdigest()[:12]

    def _record(self) -> str:
        return json.dumps({"version": VERSION, **self.model_dump()}, indent=1, sort_keys=True)


@checked
def make_digits(root: str | Path, settings: DigitsSettings, *, workers: Count = 2) -> Path:
    """Write the set into the folder `root` and return the path of its manifest.

    A complete set of the same settings is left as it is, one of other settings is replaced. The
    set is written beside `root` and moved there at the end, so `root` is never half a set. The
    same settings give the same bytes, whatever the number of `workers`.

    Raises:
        DataError: `root` holds something else.
    """
    root = Path(root)
    with alone(root):
        if root.exists() and not (root / "settings.json").is_file():
            raise DataError(f"{root}: exists and is no set of digits; choose a folder of its own")
        if not _is_complete(root, settings):
            unfinished = root.with_name(root.name + ".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            with writing(unfinished / "manifest.csv"):
                _write_set(unfinished, settings, workers)
            shutil.rmtree(root, ignore_errors=True)
            unfinished.rename(root)
    return root / "manifest.csv"


def _is_complete(root: Path, settings: DigitsSettings) -> bool:
    record = root / "settings.json"
    return record.is_file() and record.read_text() == settings._record()


def _write_set(root: Path, settings: DigitsSettings, workers: int) -> None:
    for split in SPLITS:
        for action in ACTIONS:
            (root / split / action).mkdir(parents=True)
    jobs = [(split, index) for split in SPLITS for index in range(getattr(settings, split))]
    write = partial(_write_clip, settings, root)
    rows = list(in_parallel(write, jobs, workers=workers, title="digits"))
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    (root / "settings.json").write_text(settings._record())


def _write_clip(settings: DigitsSettings, root: Path, job: tuple[str, int]) -> dict[str, Any]:
    """Draw, render and write one clip; return its row of the manifest."""
    split, index = job
    scene = draw_scene(settings, split, index)
    name = f"{split}_{index:05d}"
    path = Path(split, scene.action, f"{name}.mp4")
    rendering = render(scene, settings.resolution, actor=settings.actor)
    with writing(root / path):
        write_video(root / path, rendering.frames, fps=settings.fps)
    row = {"path": path.as_posix(), "label": scene.action, "split": split, "id": name}
    return row | _ground_truth(scene, rendering) | _strata(scene, settings)


def _ground_truth(scene: Scene, rendering: Rendering) -> dict[str, Any]:
    x0, y0, x1, y1 = rendering.region or (None,) * 4
    start, end = (scene.first, scene.first + scene.length) if scene.length else (None, None)
    return {"action_start": start, "action_end": end, "x0": x0, "y0": y0, "x1": x1, "y1": y1}


def _strata(scene: Scene, settings: DigitsSettings) -> dict[str, Any]:
    """What makes the clip easy or hard.

    With every part scaled to [0, 1], clutter = (distractors + contrast) / 2, and
    difficulty = (smallness + shortness + clutter + motion) / 4, where motion is 0 for a still
    view, 1/2 where camera or backdrop move and 1 where both do, and shortness is 1/2 for rest.
    Each has its steps at 0.4 and 0.6.
    """
    distractors = len(scene.digits) - 1 - scene.fidgets
    clutter = (
        _place(distractors, settings.distractors) + _place(scene.contrast, settings.contrast)
    ) / 2
    shortness = 1 - _place(scene.length, settings.action_frames) if scene.length else 0.5
    smallness = 1 - _place(scene.size, settings.actor_size)
    motion = ((scene.camera != "none") + scene.drifts) / 2
    difficulty = (smallness + shortness + clutter + motion) / 4
    return {
        "size": round(scene.size, 4),
        "action_frames": scene.length,
        "distractors": distractors,
        "fidget": scene.fidgets,
        "contrast": round(scene.contrast, 4),
        "clutter": _step(clutter, ("low", "medium", "high")),
        "camera": scene.camera,
        "backdrop": "drift" if scene.drifts else "still",
        "difficulty": _step(difficulty, ("easy", "medium", "hard")),
        "digits": " ".join(str(digit) for digit in scene.digits),
    }


def _place(value: float, ends: Range) -> float:
    """Where `value` lies between the two ends, in [0, 1]; 1/2 where they are the same."""
    low, high = ends
    return 0.5 if math.isclose(low, high) else (value - low) / (high - low)


def _step(value: float, names: tuple[str, str, str]) -> str:
    return names[(value >= 0.4) + (value >= 0.6)]
