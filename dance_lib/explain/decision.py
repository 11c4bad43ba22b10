"""What a network says of one video, and what it computed for that."""

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.analysis.tables import unit_rows
from dance_lib.data.clips import as_clips
from dance_lib.data.decode import VideoClips
from dance_lib.explain.kept import kept_work
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance


@dataclass(frozen=True, eq=False)
class Decision:
    """Of the N clips of one video.

    Attributes:
        video: the clips as the network saw them.
        probabilities: (N, classes).
        plan: the controller's.
        mac_ratios: (N,), R: ideal over dense MACs.
        work: (N, T, H, W), the share computed of each frame and pixel; see `kept_work`.
        kept: a row a branch with the shares it keeps, frames, channels and features (means over
            the clips and over the branch's units by their dense MACs), and `dense_share`, its
            share of the network's MACs.
    """

    video: VideoClips
    probabilities: Tensor
    plan: PruningPlan
    mac_ratios: Tensor
    work: Tensor
    kept: pd.DataFrame

    def best(self, count: int = 1) -> list[tuple[int, float]]:
        """The `count` likeliest classes with their probabilities, means over the clips."""
        mean = self.probabilities.mean(0)
        values, classes = mean.topk(min(count, len(mean)))
        return list(zip(classes.tolist(), values.tolist(), strict=True))

    @property
    def kept_overall(self) -> pd.Series:
        """The shares of frames, channels and features that are kept, branches by dense MACs."""
        return _weighted(self.kept)


@torch.no_grad()
def decide(net: Dance, video: VideoClips) -> Decision:
    """Run a network, in evaluation, on the clips of a video, one after the other.

    Raises:
        DanceError: the clips have another shape than the network's.
    """
    logits, plans = [], []
    for clip in as_clips(video.frames).split(1):
        plans.append(net.plan(clip))
        logits.append(net(clip, plans[-1]))
    plan = PruningPlan.cat(plans)
    return Decision(
        video=video,
        probabilities=torch.cat(logits).softmax(1),
        plan=plan,
        mac_ratios=mac_ratios(net.structure, plan, net.controller.macs),
        work=kept_work(net.structure, plan),
        kept=_kept(net, plan),
    )


def _kept(net: Dance, plan: PruningPlan) -> pd.DataFrame:
    branches = _unit_rates(net, plan).groupby("branch", sort=False)
    shares = branches.apply(_weighted)
    return shares.assign(dense_share=branches["dense_share"].sum())


def kept_rates(net: Dance, plan: PruningPlan) -> pd.Series:
    """Shares of frames, channels and features that a plan keeps, units by their dense MACs."""
    return _weighted(_unit_rates(net, plan))


def _unit_rates(net: Dance, plan: PruningPlan) -> pd.DataFrame:
    """A row a unit, by branch and name: its mean keep rates and `dense_share`."""
    units = unit_rows(net, plan).pivot_table(
        index=["branch", "unit", "dense_share"], columns="axis", values="keep_rate", sort=False
    )
    return units.reset_index("dense_share")


def _weighted(rows: pd.DataFrame) -> pd.Series:
    """Means of the axes' columns, weighted by `dense_share`."""
    weights = rows["dense_share"] / rows["dense_share"].sum()
    return rows[list(AXES)].mul(weights, axis=0).sum()
