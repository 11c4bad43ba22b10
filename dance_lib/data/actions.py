"""What a digit of the built-in set can do, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dance_lib.data.digits import DigitsSettings

MOVES = {"move_left": (-1, 0), "move_right": (1, 0), "move_up": (0, -1), "move_down": (0, 1)}
TURNS = {"turn_left": -1, "turn_right": 1}
GROWTH = {"grow": 1, "shrink": -1}
ACTIONS = (*MOVES, *TURNS, *GROWTH, "rest")
KINDS = (  # an action and its opposite differ in the order of frames alone
    ("move_left", "move_right"),
    ("move_up", "move_down"),
    ("turn_left", "turn_right"),
    ("grow", "shrink"),
    ("rest",),
)
MAX_ORDER = 0.4  # correlation with time, from which a jumbled action would look like one


def draw_when(settings: DigitsSettings, action: str, rng: np.random.Generator) -> tuple[int, int]:
    """First frame and length of the action.

    One still frame at least stands on either side (after the action, its last frame counts), and
    both sides are alike in law: turned backwards, a clip is as likely as its opposite.
    """
    length = int(rng.integers(*settings.action_frames, endpoint=True))
    first = int(rng.integers(1, settings.frames - length, endpoint=True))
    return (0, 0) if action == "rest" else (first, length)


def progress(first: int, length: int, frames: int) -> np.ndarray:
    """How far the action is in each frame, (T,) from -1/2 to 1/2; 0 at rest.

    Centred, so that the set of poses (all that is left of a clip whose frames are shuffled) is the
    same for an action and its opposite.
    """
    if not length:
        return np.zeros(frames)
    return ((np.arange(frames) - first + 1) / length).clip(0, 1) - 0.5


def draw_fidget(settings: DigitsSettings, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """An action and its progress in jumbled order, back where it began: a change, but no action.

    The set of its poses has the law of an actor's, so with shuffled frames the two look the same.
    Without fidgets, shuffled frames still show the kind of the action, and guessing which of two
    opposites it was gives 5/9. With one fidget in each clip, its kind drawn evenly, the best
    anyone can reach on shuffled frames is 1/3.
    """
    action = str(rng.choice(KINDS[rng.integers(len(KINDS))]))
    first, length = draw_when(settings, action, rng)
    done = progress(first, length, settings.frames)
    if length:
        at_start, at_end = done == done.min(), done == done.max()
        home = at_start if at_start.sum() >= at_end.sum() else at_end
        leaves = int(rng.integers(1, home.sum(), endpoint=True))
        still, away = done[home], _jumble(done[~home], rng)
        done = np.concatenate((still[:leaves], away, still[leaves:]))
    return action, done


def _jumble(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of the values that neither rises nor falls on the whole."""
    time = np.arange(len(values))
    while True:
        jumbled = rng.permutation(values)
        if abs(np.corrcoef(time, jumbled)[0, 1]) <= MAX_ORDER:
            return jumbled
