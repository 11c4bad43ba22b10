"""Do the kept frames and tiles lie where the action is?

Only for sets that know where it is (`action_start`, `action_end`, `x0 … y1`, as the built-in one);
clips without an action are left out.
"""

import numpy as np
import pandas as pd

from dance_lib.aap.plan import PruningPlan
from dance_lib.data.clips import ClipSet
from dance_lib.models.structure import Structure

TRUTH = ("action_start", "action_end", "x0", "y0", "x1", "y1")
COLUMNS = ["path", "branch", "axis", "recall", "precision", "kept", "share", "kind"]


def has_truth(clips: ClipSet) -> bool:
    """Whether the set says where its actions are."""
    return set(TRUTH) <= set(clips.table) and bool(clips.table["action_start"].notna().any())


def localisation(structure: Structure, clips: ClipSet, plan: PruningPlan) -> pd.DataFrame:
    """A row a clip, branch and axis (frames, features), at the resolution of the branch's output.

    Columns: recall (share of the action's positions that are kept), precision (share of kept
    positions that are the action's; empty where nothing is kept), kept (share of all positions)
    and share (of all positions that are the action's). A plan drawn at random with the same rates
    has, on average, recall = kept and precision = share. No rows for a set without such truth.
    """
    if not has_truth(clips):
        return pd.DataFrame(columns=COLUMNS)
    moving = clips.table["action_start"].notna().to_numpy()
    table = clips.table[moving]
    rows = []
    for branch in structure.branches.values():
        T, H, W = branch.size
        last = branch.units[-1]
        for axis, truth in (
            ("frames", _action_frames(table, T)),
            ("features", _region(table, H, W)),
        ):
            kept = getattr(plan, axis)[last].flatten(1).numpy()[moving]
            both = (kept & truth).sum(1)
            with np.errstate(invalid="ignore"):
                precision = both / kept.sum(1)
            rows.append(
                pd.DataFrame(
                    {
                        "path": table["path"].to_numpy(),
                        "branch": branch.name,
                        "axis": axis,
                        "recall": both / truth.sum(1),
                        "precision": precision,
                        "kept": kept.mean(1),
                        "share": truth.mean(1),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True).assign(kind="counted")


def _action_frames(table: pd.DataFrame, frames: int) -> np.ndarray:
    """(N, T) bool: a frame of the branch stands for T_video/T frames of the video."""
    total = table["video_frames"].to_numpy()[:, None]
    first, last = (
        table[c].to_numpy()[:, None] * frames / total for c in ("action_start", "action_end")
    )
    t = np.arange(frames)[None]
    return (t + 1 > first) & (t < last)


def _region(table: pd.DataFrame, height: int, width: int) -> np.ndarray:
    """(N, H·W) bool: positions that the region of the action touches."""
    x0, y0, x1, y1 = (table[c].to_numpy()[:, None] for c in ("x0", "y0", "x1", "y1"))
    rows, columns = np.arange(height)[None], np.arange(width)[None]
    in_rows = (rows + 1 > y0 * height) & (rows < y1 * height)
    in_columns = (columns + 1 > x0 * width) & (columns < x1 * width)
    return (in_rows[:, :, None] & in_columns[:, None, :]).reshape(len(table), -1)
