"""A checkpoint, opened for looking at what it decides."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dance_lib.aap.plan import PruningPlan
from dance_lib.checkpoint import CheckpointError, load, read_config
from dance_lib.errors import DanceError
from dance_lib.executors.sparse import sparse
from dance_lib.meter.count import count
from dance_lib.network import Dance


@dataclass(frozen=True)
class Opened:
    """A network in evaluation, its sparse executor (None without one), the names of its classes."""

    net: Dance
    fast: Any
    classes: tuple[str, ...]

    def executed_ratio(self, plan: PruningPlan) -> float | None:
        """MACs that the sparse executor carries out for a plan's clips, over the dense ones."""
        if self.fast is None:
            return None
        sums = count(self.fast, plan).sum(numeric_only=True)
        return float(sums["executed_macs"] / sums["dense_macs"])


def open_checkpoint(path: Path, say: Callable[[str], object]) -> Opened:
    """Open a network that the library can build, and say if it has no sparse executor.

    Raises:
        CheckpointError: no such file, no checkpoint of ours, or a backbone of its author's own.
    """
    config = read_config(path)
    if config.model is None or config.num_classes is None:
        raise CheckpointError(
            f"{path} holds a backbone of its author's own, which the command line can't build: in "
            f"Python, net = dance_lib.load({str(path)!r}, backbone=...), then "
            "dance_lib.explain.decision.decide(net, dance_lib.data.read_video(...))"
        )
    net = load(path)
    try:
        fast = sparse(net)
    except DanceError as error:
        say(f"note: without a sparse executor, since {error}")
        fast = None
    classes = config.classes or tuple(f"class {i}" for i in range(config.num_classes))
    return Opened(net, fast, classes)
