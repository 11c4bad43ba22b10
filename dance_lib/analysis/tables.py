"""Tidy tables of predictions and plans: a row a clip, a row a unit."""

from collections.abc import Sequence

import pandas as pd

from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.data.clips import ClipSet
from dance_lib.meter.cost import branch_ratios
from dance_lib.meter.count import count
from dance_lib.network import Dance
from dance_lib.train.evaluate import Prediction

# Columns of a data set that tables keep beside a clip: its stratum, and whose group it is.
CLIP_COLUMNS = (
    "path", "label", "target", "group", "difficulty", "size", "action_frames", "clutter", "camera",
)  # fmt: skip


def clip_rows(
    net: Dance, clips: ClipSet, prediction: Prediction, *, arm: str, plans: str
) -> pd.DataFrame:
    """A row a clip: the prediction, and what its plan costs.

    Args:
        arm: how the network was trained: `dense`, `aap`, ...
        plans: whose plans were run: `dense`, `controller`, `shuffled`, `majority`, `random`.
    """
    known = [name for name in CLIP_COLUMNS if name in clips.table]
    rows = clips.table[known].assign(
        arm=arm,
        plans=plans,
        predicted=prediction.logits.argmax(1).numpy(),
        correct=prediction.correct.numpy().astype(int),
        mac_ratio=1.0,
        byte_ratio=1.0,
    )
    if prediction.plan is not None:
        sums = count(net, prediction.plan).groupby("clip").sum(numeric_only=True)
        rows["mac_ratio"] = (sums["ideal_macs"] / sums["dense_macs"]).to_numpy()
        rows["byte_ratio"] = (sums["ideal_bytes"] / sums["dense_bytes"]).to_numpy()
    return rows.assign(kind="measured")


def unit_rows(net: Dance, plan: PruningPlan) -> pd.DataFrame:
    """A row a unit and axis: how much of it is kept, how that differs between clips, what it costs.

    Columns: unit, branch, axis, dense_share (of the network's MACs), mac_ratio and byte_ratio of
    the unit, keep_rate (mean over clips), keep_sd (standard deviation of a clip's rate), decision
    (mean over gates of 4p(1 − p), p the share of clips that open it: 0 static, 1 even odds).
    """
    structure = net.structure
    sums = count(net, plan).groupby("unit").sum(numeric_only=True)
    mac_ratio = (sums["ideal_macs"] / sums["dense_macs"]).to_dict()
    byte_ratio = (sums["ideal_bytes"] / sums["dense_bytes"]).to_dict()
    rows = []
    for name, unit in structure.units.items():
        for axis in AXES:
            kept = getattr(plan, axis)[name].double().flatten(1)
            p = kept.mean(0)
            rows.append(
                {
                    "unit": name,
                    "branch": unit.branch,
                    "axis": axis,
                    "dense_share": unit.dense_macs / structure.dense_macs,
                    "mac_ratio": mac_ratio[name],
                    "byte_ratio": byte_ratio[name],
                    "keep_rate": p.mean().item(),
                    "keep_sd": kept.mean(1).std(correction=0).item(),
                    "decision": (4 * p * (1 - p)).mean().item(),
                }
            )
    return pd.DataFrame(rows).assign(kind="counted")


def branch_rows(net: Dance, clips: ClipSet, plan: PruningPlan) -> pd.DataFrame:
    """A row a clip and branch: its ideal MAC ratio, and the branch's share of the dense MACs."""
    structure = net.structure
    tables = [
        pd.DataFrame(
            {
                "path": clips.table["path"],
                "branch": name,
                "dense_share": sum(
                    structure.units[u].dense_macs for u in structure.branches[name].units
                )
                / structure.dense_macs,
                "mac_ratio": ratio.double().numpy(),
            }
        )
        for name, ratio in branch_ratios(structure, plan).items()
    ]
    return pd.concat(tables, ignore_index=True).assign(kind="counted")


def history_rows(history: Sequence[dict[str, object]], arm: str) -> pd.DataFrame:
    """A row a training epoch: stage, epoch, seconds, loss and metrics."""
    return pd.DataFrame(list(history)).assign(arm=arm, kind="measured")
