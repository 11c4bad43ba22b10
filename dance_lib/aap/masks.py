"""What is kept of every unit's output: the object that passes from controller to executor."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from dance_lib.errors import DanceError


@dataclass(frozen=True, eq=False)
class Masks:
    """Kept frames, channels and features of every unit, for every clip of a batch.

    In training the entries are gates, 0.0 or 1.0, that carry gradients; in a `PruningPlan` they
    are booleans.

    Attributes:
        frames: by unit, (N, T_u).
        channels: by unit, (N, C_u).
        features: by unit, (N, H_u, W_u).
    """

    frames: Mapping[str, Tensor]
    channels: Mapping[str, Tensor]
    features: Mapping[str, Tensor]

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the units, in order of execution."""
        return tuple(self.frames)

    def positions(self, unit: str) -> Tensor:
        """(N, T_u, H_u, W_u): frames ⊗ features."""
        if unit not in self.units:
            raise DanceError(f"no unit {unit!r}; there are: {', '.join(self.units)}")
        return self.frames[unit][:, :, None, None] * self.features[unit][:, None]

    def mask(self, unit: str) -> Tensor:
        """(N, C_u, T_u, H_u, W_u): channels ⊗ frames ⊗ features."""
        return self.positions(unit)[:, None] * self.channels[unit][:, :, None, None, None]
