"""Static rivals beside our plans: smaller networks of as many MACs, in the fastest dense engine."""

import copy
from collections.abc import Iterable

from torch import Tensor

from dance_lib.bench.candidates import Candidate, reason
from dance_lib.bench.dense import DenseNetwork
from dance_lib.bench.engines import in_engine
from dance_lib.bench.setting import Precision
from dance_lib.network import Dance
from dance_lib.rivals.smaller import KINDS, Kind, smaller

SAME = 0.01  # MAC ratios this close share one rival


def distinct(ratios: Iterable[float]) -> list[float]:
    """MAC ratios below 1, largest first, without those that are close to one already taken."""
    taken: list[float] = []
    for ratio in sorted(ratios, reverse=True):
        if ratio < 1 - SAME and all(abs(ratio - other) > SAME for other in taken):
            taken.append(ratio)
    return taken


def static_candidates(
    net: Dance,
    clip: Tensor,
    threads: int,
    precision: Precision,
    engine: str,
    ratios: Iterable[float],
) -> list[Candidate]:
    """A pruned and a narrower network at each distinct MAC ratio.

    `pruned @ 0.50` stands against every plan within 0.01 of that ratio; `ideal_mac_ratio` in its
    row is what it reached, `target_mac_ratio` what it was to reach.

    Args:
        clip: (N, C, T, H, W). engine: a name of `ENGINES`.
    """
    return [
        _candidate(net, clip, threads, precision, engine, kind, ratio)
        for ratio in distinct(ratios)
        for kind in KINDS
    ]


def _candidate(
    net: Dance,
    clip: Tensor,
    threads: int,
    precision: Precision,
    engine: str,
    kind: Kind,
    ratio: float,
) -> Candidate:
    name = f"{kind} @ {ratio:.2f}"
    facts = {"target_mac_ratio": ratio, "engine": engine}
    try:
        whole = copy.deepcopy(net.backbone).cpu()  # where Torch-Pruning's example is
        backbone, reached = smaller(whole, net.clip_shape, kind, ratio)
    except Exception as failure:  # Torch-Pruning is missing, or does not understand the network
        return Candidate(name, kind, None, {**facts, "reason": reason(failure)})
    network = DenseNetwork.of(net, backbone.to(clip.device))
    found = in_engine(name, kind, engine, network, clip, threads, precision, reached)
    return Candidate(name, kind, found.run, {**facts, **found.facts})
