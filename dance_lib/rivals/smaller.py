"""Smaller networks of as many MACs as a plan, as Torch-Pruning makes them; not retrained here."""

import copy
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from dance_lib.errors import DanceError
from dance_lib.models.find import find_structure
from dance_lib.models.structure import Shape

Found = TypeVar("Found")
Kind = Literal["pruned", "narrower"]
KINDS: tuple[Kind, ...] = ("pruned", "narrower")
TOLERANCE = 0.02  # of the MAC ratio: a rival further off does not stand at the same MACs
CLOSE = 0.004  # the search ends
STEPS = 10
MOST = 0.95  # of the channels that are taken away
MULTIPLES = (8, 4, 1)  # of channels: widths a runtime likes first, finer ones to get there


def dense_macs(backbone: nn.Module, clip_shape: Shape) -> int:
    """MACs of a backbone on one clip, by its graph."""
    return find_structure(backbone, clip_shape, grid=7, group_size=8).dense_macs


def smaller(
    backbone: nn.Module,
    clip_shape: Shape,
    kind: Kind,
    ratio: float,
    multiples: Sequence[int] = MULTIPLES,
) -> tuple[nn.Module, float]:
    """A smaller copy of a backbone whose MACs are `ratio` of the whole network's, and its ratio.

    Args:
        kind: "pruned" takes away the channels of least group L1 magnitude wherever they are
            (Torch-Pruning's global ranking), "narrower" the same share of every layer.
        ratio: in (0, 1].
        multiples: of which the widths are to be; the first by which the ratio is met counts.

    Raises:
        DanceError: no share of channels comes within 0.02 of the ratio.
    """
    if ratio >= 1 - CLOSE:
        return backbone, 1.0
    whole = dense_macs(backbone, clip_shape)
    reached: list[float] = []
    for multiple in multiples:

        def without(share: float, multiple: int = multiple) -> tuple[nn.Module, float]:
            network = take_away(backbone, clip_shape, kind, share, multiple)
            return network, dense_macs(network, clip_shape) / whole

        found = bisect(without, ratio)
        if abs(found[1] - ratio) <= TOLERANCE:
            return found
        reached.append(found[1])
    nearest = min(reached, key=lambda r: abs(r - ratio))
    raise DanceError(f"no {kind} network comes near {ratio:.3f} of the MACs: {nearest:.3f} at best")


def bisect(without: Callable[[float], tuple[Found, float]], ratio: float) -> tuple[Found, float]:
    """The value whose ratio is nearest; `without(share)` has the less the larger the share."""
    low, high = 0.0, MOST
    share = 1 - ratio**0.5  # a layer's MACs are inputs × outputs
    best: tuple[Found, float] | None = None
    for _ in range(STEPS):
        found = without(share)
        if best is None or abs(found[1] - ratio) < abs(best[1] - ratio):
            best = found
        if abs(found[1] - ratio) <= CLOSE:
            break
        low, high = (share, high) if found[1] > ratio else (low, share)
        share = (low + high) / 2
    assert best is not None
    return best


def take_away(
    backbone: nn.Module, clip_shape: Shape, kind: Kind, share: float, multiple: int
) -> nn.Module:
    """A copy without a share of its channels, kept widths being multiples where they can be."""
    import torch_pruning as tp

    network = copy.deepcopy(backbone).eval()
    tp.pruner.BasePruner(
        network,
        _example(clip_shape),
        importance=tp.importance.GroupMagnitudeImportance(p=1),
        pruning_ratio=share,
        max_pruning_ratio=MOST,
        global_pruning=kind == "pruned",
        ignored_layers=[_classifier(network)],  # classes stay
        round_to=multiple if multiple > 1 else None,
    ).step()
    return network


def _classifier(network: nn.Module) -> nn.Module:
    return [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv3d)][-1]


def _example(clip_shape: Shape) -> Tensor:
    """A clip that shows which layers hang together, small so that showing it is quick."""
    C, T, H, W = clip_shape
    return torch.rand(1, C, min(T, 8), min(H, 64), min(W, 64))
