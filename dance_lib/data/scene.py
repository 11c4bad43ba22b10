"""What happens in one clip of the built-in set: who stands where, in which frame.

A scene is drawn at random from the settings, and is complete before a pixel is rendered. Lengths
are fractions of the frame, angles are in radians, clockwise; the y axis points down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dance_lib.data.actions import ACTIONS, GROWTH, MOVES, TURNS, draw_fidget, draw_when, progress
from dance_lib.data.errors import DataError
from dance_lib.data.glyphs import glyph_ids
from dance_lib.data.splits import SPLITS

if TYPE_CHECKING:
    from dance_lib.data.digits import DigitsSettings

REACH = 0.65  # how far ink reaches from a digit's centre, in sizes, whatever its angle
TRIES = 20  # places tried for a digit that should not cover another


@dataclass(frozen=True)
class Poses:
    """Poses of K digits in T frames, each array (K, T); `size` is the height of upright ink."""

    x: np.ndarray
    y: np.ndarray
    size: np.ndarray
    angle: np.ndarray


@dataclass(frozen=True)
class Scene:
    """One clip before rendering. The actor is the last of the K digits, so it is drawn on top."""

    action: str
    first: int  # the frame that first differs from the one before it; 0 where the actor rests
    length: int  # frames in which the actor acts; 0 where it rests
    digits: np.ndarray  # (K,) ids of `glyphs()`
    poses: Poses
    colours: np.ndarray  # (K, 3) in [0, 1]
    flicker: np.ndarray  # (K, T) factor on a digit's opacity
    base_colour: np.ndarray  # (3,) of the backdrop
    contrast: float  # standard deviation of the backdrop's texture, in [0, 1]
    backdrop_shift: np.ndarray  # (T, 2) of the backdrop: camera and, in some clips, its own drift
    camera: str  # "none", "pan" or "shake"
    drifts: bool  # whether the backdrop moves on its own
    fidgets: bool  # whether one of the distractors fidgets
    texture_seed: int

    @property
    def size(self) -> float:
        """Size of the actor half-way through its action."""
        return float(np.sqrt(self.poses.size[-1].min() * self.poses.size[-1].max()))


def draw_scene(settings: DigitsSettings, split: str, index: int) -> Scene:
    """Draw clip `index` of `split`; its action is `ACTIONS[index % 9]`.

    The draw depends on seed, split and index alone, never on other clips or on who draws it.
    """
    rng = np.random.default_rng([settings.seed, SPLITS.index(split), index])
    action = ACTIONS[index % len(ACTIONS)]
    first, length = draw_when(settings, action, rng)
    camera, camera_shift = _draw_camera(settings, rng)
    drifts = bool(rng.random() < settings.drift_share)
    drift = _line(settings.frames) * _direction(rng) * settings.drift * drifts
    fidgets = bool(rng.random() < settings.fidget_share)

    still = np.zeros(settings.frames)
    acts = [(action, progress(first, length, settings.frames))]
    if fidgets:
        acts.append(draw_fidget(settings, rng))
    acts += [("rest", still)] * int(rng.integers(*settings.distractors, endpoint=True))
    poses = _draw_poses(settings, acts, camera_shift, rng)
    base_colour, colours = _draw_colours(settings, len(acts), rng)
    return Scene(
        action=action,
        first=first,
        length=length,
        digits=rng.choice(glyph_ids(split), len(acts), replace=False),
        poses=poses,
        colours=colours,
        flicker=1 - settings.flicker * rng.random((len(acts), settings.frames)),
        base_colour=base_colour,
        contrast=float(rng.uniform(*settings.contrast)),
        backdrop_shift=camera_shift + drift,
        camera=camera,
        drifts=drifts,
        fidgets=fidgets,
        texture_seed=int(rng.integers(2**31)),
    )


def _draw_camera(settings: DigitsSettings, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Kind of camera motion, and the shift (T, 2) it gives to everything in the scene."""
    camera = str(rng.choice(("none", "pan", "shake"), p=settings.camera_shares))
    pan = _line(settings.frames) * _direction(rng) * settings.pan
    shake = rng.uniform(-1, 1, (settings.frames, 2)) * settings.shake
    return camera, {"none": np.zeros_like(pan), "pan": pan, "shake": shake}[camera]


def _draw_poses(
    settings: DigitsSettings,
    acts: list[tuple[str, np.ndarray]],
    camera_shift: np.ndarray,
    rng: np.random.Generator,
) -> Poses:
    """Poses of digits that do these actions, the first on top of the others."""
    placed: list[np.ndarray] = []  # (T, 4) each: x, y, size, angle, without the camera
    for action, done in acts:
        travel, growth = rng.uniform(*settings.travel), rng.uniform(*settings.growth)
        turn = np.radians(rng.uniform(*settings.turn_degrees))
        size = rng.uniform(*settings.actor_size) * growth ** (done * GROWTH.get(action, 0))
        angle = rng.uniform(-np.pi, np.pi) + turn * done * TURNS.get(action, 0)
        path = travel * done[:, None] * MOVES.get(action, (0, 0))  # (T, 2)
        place = _draw_place(path, size, camera_shift, placed, rng)
        placed.append(np.column_stack((place + path, size, angle)))
    x, y, size, angle = np.stack(placed[::-1]).transpose(2, 0, 1)  # (K, T, 4) -> 4 × (K, T)
    jitter_x, jitter_y = rng.uniform(-1, 1, (2, *x.shape)) * settings.jitter
    shift_x, shift_y = camera_shift.T
    return Poses(x + shift_x + jitter_x, y + shift_y + jitter_y, size, angle)


def _draw_place(
    path: np.ndarray,
    size: np.ndarray,
    camera_shift: np.ndarray,
    placed: list[np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """A place (2,) that keeps the whole `path` (T, 2) in the frame and clear of others' paths."""
    reach = REACH * size[:, None]
    low = (reach - path - camera_shift).max(axis=0)
    high = (1 - reach - path - camera_shift).min(axis=0)
    if (low > high).any():
        raise DataError(
            "an action needs more room than the frame has; lower travel, growth, actor_size, pan "
            "or shake"
        )
    places = rng.uniform(low, high, (TRIES, 2))
    clear = np.full(TRIES, np.inf)
    for other in placed:
        way = places[:, None, None] + path[:, None] - other[:, :2]  # (TRIES, T, T, 2)
        gap = np.linalg.norm(way, axis=-1) - REACH * (size[:, None] + other[:, 2])
        clear = np.minimum(clear, gap.min(axis=(1, 2)))
    return places[(clear > 0).argmax() if (clear > 0).any() else clear.argmax()]


def _draw_colours(
    settings: DigitsSettings, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Colour of the backdrop (3,), and of each digit (count, 3), clearly lighter or darker."""
    luma = rng.uniform(0.25, 0.75)
    tint = rng.uniform(-0.12, 0.12, (count + 1, 3))
    tint -= tint.mean(axis=1, keepdims=True)
    away = np.where(luma > 0.5, -1, 1) * rng.uniform(*settings.digit_contrast, count)
    digits = luma + away[:, None] + tint[1:]
    return (luma + tint[0]).clip(0, 1), digits.clip(0, 1)


def _line(frames: int) -> np.ndarray:
    """An even motion by one unit, centred: (T, 1) from -1/2 to 1/2."""
    return np.linspace(-0.5, 0.5, frames)[:, None]


def _direction(rng: np.random.Generator) -> np.ndarray:
    """A unit vector (2,) of any direction."""
    angle = rng.uniform(-np.pi, np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
