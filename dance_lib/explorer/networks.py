"""The networks to choose from, and the one they are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dance_lib.checkpoint import load
from dance_lib.data import ClipSet
from dance_lib.explorer.pair import Pair
from dance_lib.models.structure import Structure
from dance_lib.network import Dance


@dataclass(frozen=True, eq=False)
class Networks:
    """All of one structure, for the same classes.

    Attributes:
        dense: trained as long as the pruned ones, without pruning.
        pairs: by the name they are chosen by.
        classes: names of the K classes.
    """

    dense: Dance
    pairs: dict[str, Pair]
    classes: tuple[str, ...]

    @classmethod
    def open(
        cls, dense: Path, before: Mapping[str, Path], pruned: Mapping[str, Path], clips: ClipSet
    ) -> Self:
        """Open checkpoints; `before` and `pruned`, see `Pair.open`, by their variant of AVA.

        Args:
            clips: of training, to tune budgets on.

        Raises:
            CheckpointError: a file is no checkpoint of ours.
            DanceError: a network was trained for clips of another shape.
        """
        pairs = {
            "without AVA" if ava == "none" else f"AVA {ava}": Pair.open(path, pruned[ava], clips)
            for ava, path in before.items()
        }
        return cls(load(dense), pairs, clips.classes)

    @property
    def structure(self) -> Structure:
        """Stem, branches and units, the same in all of them."""
        return self.dense.structure
