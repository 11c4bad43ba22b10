"""Tidy tables of predictions and plans: a row a clip, a row a unit."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.data.clips import ClipSet, batches
from dance_lib.meter.cost import branch_ratios
from dance_lib.meter.count import count
from dance_lib.network import Dance
from dance_lib.rivals import Rival
from dance_lib.rivals.fatrelu import input_mac_ratios
from dance_lib.train.evaluate import Prediction, predict

# Columns of a data set that tables keep beside a clip: its stratum, and whose group it is.
CLIP_COLUMNS = (
    "path", "label", "target", "group", "difficulty", "size", "action_frames", "clutter", "camera",
)  # fmt: skip
DIGITS = 5  # of shares in tables: enough for any figure, and they compress


def clip_rows(net: Dance, clips: ClipSet, prediction: Prediction, *, plans: str) -> pd.DataFrame:
    """A row a clip: the prediction, and what its plan costs.

    Args:
        plans: whose plans were run: `dense`, `controller`, `shuffled`, `majority`, `random`, ...
    """
    rows = _predicted(clips, prediction, plans)
    return rows if prediction.plan is None else rows.assign(**_ratios(net, prediction.plan))


def rival_rows(dense: Dance, rival: Rival, clips: ClipSet) -> pd.DataFrame:
    """As `clip_rows`, for a rival; what it costs is a share of what the dense network does.

    Where zeros are counted, MACs are a share of those that ReLU's own zeros leave, which no
    threshold has saved. Bytes of zeros are not known: empty.
    """
    net = rival.net
    if rival.plans is not None:
        plan = rival.plans(len(clips))
        rows = _predicted(clips, predict(net, clips, plan), "static")
        return rows.assign(**_ratios(net, plan, decided=False))
    rows = _predicted(clips, predict(net, clips, "dense"), "static")
    if rival.relu_macs is not None:
        left = torch.cat([input_mac_ratios(net, batch) for batch, _, _ in batches(clips, 64)])
        ratios = (left / rival.relu_macs).numpy().round(DIGITS)
        return rows.assign(mac_ratio=ratios, byte_ratio=float("nan"))
    full = [
        count(n, PruningPlan.full(n)).sum(numeric_only=True)[["dense_macs", "dense_bytes"]]
        for n in (net, dense)
    ]
    macs, moved = (full[0] / full[1]).round(DIGITS)
    return rows.assign(mac_ratio=macs, byte_ratio=moved)


def _predicted(clips: ClipSet, prediction: Prediction, plans: str) -> pd.DataFrame:
    known = [name for name in CLIP_COLUMNS if name in clips.table]
    rows = clips.table[known].assign(
        plans=plans,
        predicted=prediction.logits.argmax(1).numpy(),
        correct=prediction.correct.numpy().astype(int),
        mac_ratio=1.0,
        byte_ratio=1.0,
    )
    return rows.assign(kind="measured")


def _ratios(net: Dance, plan: PruningPlan, decided: bool = True) -> dict[str, np.ndarray]:
    """Ideal over dense MACs and bytes of each clip; `decided`: with what the controller costs."""
    sums = count(net, plan).groupby("clip").sum(numeric_only=True)
    macs, moved = (0, 0) if decided else (net.controller.macs, 4 * net.controller.values_touched)
    ratios = {
        "mac_ratio": (sums["ideal_macs"] - macs) / sums["dense_macs"],
        "byte_ratio": (sums["ideal_bytes"] - moved) / sums["dense_bytes"],
    }
    return {name: ratio.to_numpy().round(DIGITS) for name, ratio in ratios.items()}


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


def cost_rows(net: Dance, plan: PruningPlan) -> pd.DataFrame:
    """A row a unit, and one for `other`: MACs and bytes of a clip, as means over the plan's clips.

    Columns: unit, clips (how many the means are of), dense_macs, ideal_macs, dense_bytes,
    ideal_bytes; `other` has the controller in its ideal columns.
    """
    means = count(net, plan).drop(columns="clip").groupby("unit", sort=False).mean()
    return means.reset_index().assign(clips=len(plan), kind="counted")


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
                "mac_ratio": ratio.double().numpy().round(DIGITS),
            }
        )
        for name, ratio in branch_ratios(structure, plan).items()
    ]
    return pd.concat(tables, ignore_index=True).assign(kind="counted")


def controller_rows(net: Dance) -> pd.DataFrame:
    """One row: parameters, MACs and bytes of the controller, beside those of the dense network."""
    dense = count(net, PruningPlan.full(net)).sum(numeric_only=True)
    controller = net.controller
    return pd.DataFrame(
        [
            {
                "reads": net.reads,
                "parameters": sum(p.numel() for p in controller.parameters()),
                "macs": controller.macs,
                "bytes": 4 * controller.values_touched,
                "dense_parameters": sum(p.numel() for p in net.backbone.parameters()),
                "dense_macs": net.structure.dense_macs,
                "dense_bytes": int(dense["dense_bytes"]),
            }
        ]
    ).assign(kind="counted")


def history_rows(history: Sequence[dict[str, object]], arm: str) -> pd.DataFrame:
    """A row a training epoch: stage, epoch, seconds, loss and metrics."""
    return pd.DataFrame(list(history)).assign(arm=arm, kind="measured")
