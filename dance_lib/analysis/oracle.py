"""Headroom: what a controller could reach that knew which of many plans is right for a clip."""

import numpy as np
import pandas as pd
import torch

from dance_lib.aap.plan import PruningPlan
from dance_lib.analysis.tables import clip_rows
from dance_lib.data.clips import ClipSet, batches
from dance_lib.network import Dance
from dance_lib.train.evaluate import Prediction, predict

NOISE = 2.0  # times logistic noise: about as far as the thresholds are from the logits' mean
MOST_CLIPS = 900


def oracle_rows(
    net: Dance, clips: ClipSet, own: Prediction, *, count: int, seed: int = 0
) -> pd.DataFrame:
    """Rows as `clip_rows`, of plans `oracle`: the cheapest plan of a clip that is right.

    Tried are the controller's own plan and `count` others around it, drawn with gate noise; where
    none is right, the own plan stands. It looks at the labels: a bound, nothing to deploy. The
    first 900 clips stand for all.

    Args:
        own: prediction of all clips by the controller's own plans.
    """
    some = clips.take(range(min(MOST_CLIPS, len(clips))))
    torch.manual_seed(seed)
    assert own.plan is not None
    tried = [_first(own, len(some)), *(predict(net, some, _noisy(net, some)) for _ in range(count))]
    right = np.stack([p.correct.numpy() for p in tried])  # (plans, clips)
    ratios = np.stack([p.mac_ratios(net).numpy() for p in tried])
    best = np.where(right, ratios, np.inf).argmin(0)
    best[~right.any(0)] = 0
    plan = PruningPlan.cat([tried[which].plan[clip] for clip, which in enumerate(best)])
    logits = torch.stack([tried[which].logits[clip] for clip, which in enumerate(best)])
    return clip_rows(net, some, Prediction(logits, tried[0].targets, plan), plans="oracle")


def _first(prediction: Prediction, count: int) -> Prediction:
    assert prediction.plan is not None
    return Prediction(
        prediction.logits[:count], prediction.targets[:count], prediction.plan[slice(count)]
    )


@torch.inference_mode()
def _noisy(net: Dance, clips: ClipSet, batch_size: int = 64) -> PruningPlan:
    """Plans with gates drawn around the controller's logits."""
    net.eval()
    plans = []
    for batch, _, _ in batches(clips, batch_size):
        gates = net.controller.gates(net.statistics(net.stem(batch), batch), noise=NOISE)
        plans.append(
            PruningPlan.from_decisions(
                net.structure, frames=gates.frames, tiles=gates.tiles, channels=gates.channels
            )
        )
    return PruningPlan.cat(plans)
