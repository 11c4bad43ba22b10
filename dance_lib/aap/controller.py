"""The controller: stem statistics -> gate logits for frames, tiles and channel groups.

One small head an axis. Heads for frames and tiles share their weights over positions, so that what
they learn of one place holds everywhere; a summary of the channels tells them what clip this is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dance_lib.aap.gate import gate, keep_best, logistic_noise
from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, PlanError, PruningPlan, spread
from dance_lib.aap.statistics import Average, Statistics
from dance_lib.arguments import Size, checked
from dance_lib.models.structure import Shape, Structure


@dataclass(frozen=True, eq=False)
class Decisions:
    """What the controller says, logits or gates: positive or 1.0 keeps.

    Attributes:
        frames: by branch, (N, T_b). tiles: by branch, (N, G_h, G_w).
        channels: by unit with gates of its own, (N, groups).
    """

    frames: dict[str, Tensor]
    tiles: dict[str, Tensor]
    channels: dict[str, Tensor]


class _Standard(nn.BatchNorm1d):
    """(N, F) -> the same, standardised; one clip alone, in training, by running statistics."""

    def forward(self, values: Tensor) -> Tensor:
        if self.training and len(values) == 1:
            return F.batch_norm(values, self.running_mean, self.running_var, eps=self.eps)
        return super().forward(values)


class Controller(nn.Module):
    """Statistics -> logits of every gate.

    Args:
        structure: whose branches and units are decided about.
        axes: the axes that are pruned; the others are always open.
        grid: cells along each side of the tile statistics.
        hidden: width of each head.
        open_bias: first value of every logit: gates start open.
        prior: first weight of motion in the logits of frames and tiles: at the start, what moves
            least is closed first, and the rest is learned on top. Without it gates may learn to
            close where the action is, which tells the backbone what the controller saw.
        reads: (C, T, H, W) of the maps whose statistics it is given; those of the stem if None.
        opened: branches that it never prunes.
        average: whether it sees the average clip of training in the place of each clip.
    """

    @checked
    def __init__(
        self,
        structure: Structure,
        axes: Sequence[str] = AXES,
        grid: Size = 7,
        hidden: Size = 16,
        open_bias: float = 2.0,
        prior: float = 3.0,
        reads: Shape | None = None,
        opened: Sequence[str] = (),
        average: bool = False,
    ) -> None:
        super().__init__()
        unknown = set(axes) - set(AXES)
        if unknown or not axes:
            raise PlanError(f"axes must be some of {', '.join(AXES)}, not {tuple(axes)}")
        self.structure = structure
        self.grid = grid
        self.axes = tuple(axis for axis in AXES if axis in axes)
        self.reads = reads or structure.stem_shape
        self.opened = tuple(opened)
        self.average = Average(self.reads, grid) if average else None
        branches = list(structure.branches.values())
        channels = self.reads[0]
        self.standard = nn.ModuleDict(
            {
                "channels": _Standard(4 * channels, affine=False),
                "frames": nn.BatchNorm1d(4, affine=False),
                "tiles": nn.BatchNorm2d(3, affine=False),
            }
        )
        self.context = nn.Linear(4 * channels, hidden)
        if "frames" in self.axes:
            self.frames = nn.Conv1d(8, hidden, 5, padding=2)
            self.frame_context = nn.Linear(hidden, hidden, bias=False)
            self.frame_logits = nn.Conv1d(hidden, len(branches), 1)
            self.frame_prior = nn.Parameter(torch.full((len(branches), 1), prior))
        if "features" in self.axes:
            self.tiles = nn.Conv2d(6, hidden, 3, padding=1)
            self.tile_context = nn.Linear(hidden, hidden, bias=False)
            self.tile_logits = nn.Conv2d(hidden, len(branches), 1)
            self.tile_prior = nn.Parameter(torch.full((len(branches), 1, 1), prior))
        if "channels" in self.axes:
            groups = [structure.groups(u) for u in structure.channel_owners]
            if groups:  # else nobody's channels may be pruned
                self.channel_logits = nn.Linear(hidden, sum(groups))
        for head in self.logit_heads():
            assert head.bias is not None
            nn.init.constant_(head.bias, open_bias)
            nn.init.normal_(head.weight, std=0.05)

    def logit_heads(self) -> list[nn.Linear | nn.Conv1d | nn.Conv2d]:
        """The last layer of each axis; its biases are the thresholds of the gates."""
        names = ("frame_logits", "tile_logits", "channel_logits")
        return [getattr(self, name) for name in names if hasattr(self, name)]

    @property
    def plain(self) -> bool:
        """Whether some unit has no shortcut past it, so that something of each must be kept."""
        return not all(b.droppable for b in self.structure.branches.values())

    @property
    def always(self) -> set[str]:
        """Branches and units that are never pruned."""
        return {*self.opened, *(u for b in self.opened for u in self.structure.branches[b].units)}

    def forward(self, statistics: Statistics) -> Decisions:
        """Logits of every gate of the pruned axes; the other axes are left empty."""
        branches = self.structure.branches.values()
        if self.average is not None:
            statistics = self.average(statistics)
        summary = self.standard["channels"](statistics.channels.flatten(1))
        context = F.relu(self.context(summary))  # (N, hidden)
        frames: dict[str, Tensor] = {}
        tiles: dict[str, Tensor] = {}
        channels: dict[str, Tensor] = {}
        if "frames" in self.axes:
            inputs, motion = self._standardised("frames", statistics.frames)  # (N, 8, T_s)
            maps = F.relu(self.frames(inputs) + self.frame_context(context)[:, :, None])
            logits = self.frame_logits(maps) + self.frame_prior * motion  # (N, branches, T_s)
            for b, z in zip(branches, logits.unbind(1), strict=True):
                same = z.shape[1] == b.size[0]
                frames[b.name] = z if same else F.adaptive_avg_pool1d(z[:, None], b.size[0])[:, 0]
        if "features" in self.axes:
            inputs, motion = self._standardised("tiles", statistics.tiles)  # (N, 6, G, G)
            maps = F.relu(self.tiles(inputs) + self.tile_context(context)[:, :, None, None])
            logits = self.tile_logits(maps) + self.tile_prior * motion  # (N, branches, G, G)
            for b, z in zip(branches, logits.unbind(1), strict=True):
                same = z.shape[1:] == b.grid
                tiles[b.name] = z if same else F.adaptive_avg_pool2d(z[:, None], b.grid)[:, 0]
        if hasattr(self, "channel_logits"):
            owners = self.structure.channel_owners
            groups = [self.structure.groups(u) for u in owners]
            split = self.channel_logits(context).split(groups, dim=1)
            channels = dict(zip(owners, split, strict=True))
        return Decisions(frames, tiles, channels)

    def _standardised(self, axis: str, values: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics (N, S, ...) against all clips and within their own clip -> (N, 2S, ...).

        Also the last one, the largest motion, (N, 1, ...): against all clips, and half of what that
        says beyond its own clip once more, so that a clip in which more moves keeps more.
        """
        dims = tuple(range(2, values.dim()))
        centred = values - values.mean(dims, keepdim=True)
        least = max(1e-8, torch.finfo(values.dtype).tiny)  # 1e-8 is 0 in half precision
        own = centred / (centred.square().mean(dims, keepdim=True) + least).sqrt()
        standard = self.standard[axis](values)
        motion = 1.5 * standard[:, -1:] - 0.5 * own[:, -1:]
        return torch.cat([standard, own], dim=1), motion

    def gates(self, statistics: Statistics, noise: float = 0.0) -> Decisions:
        """Gates 0.0 or 1.0 with straight-through gradients; axes that are not pruned are open.

        A unit whose channel gates all close keeps its best group; in a plain network, which has no
        shortcut, a unit also keeps its best frame and tile.
        """
        structure, always = self.structure, self.always
        logits = self(statistics)

        def opened(entries: dict[str, Tensor], best: bool) -> dict[str, Tensor]:
            result = {}
            for name, z in entries.items():
                g = gate(z, noise * logistic_noise(z) if noise else None)
                g = torch.ones_like(g) if name in always else g
                result[name] = keep_best(g, z) if best else g
            return result

        def ones(*size: int) -> Tensor:
            return statistics.frames.new_ones(len(statistics.frames), *size)

        branches = structure.branches.values()
        return Decisions(
            opened(logits.frames, self.plain) or {b.name: ones(b.size[0]) for b in branches},
            opened(logits.tiles, self.plain) or {b.name: ones(*b.grid) for b in branches},
            opened(logits.channels, True)
            or {u: ones(structure.groups(u)) for u in structure.channel_owners},
        )

    def decide(self, statistics: Statistics, noise: float = 0.0) -> Masks:
        """Gates at every unit's resolution."""
        d = self.gates(statistics, noise)
        return spread(self.structure, frames=d.frames, tiles=d.tiles, channels=d.channels)

    def plan(self, statistics: Statistics) -> PruningPlan:
        """Gates without noise, as a plan."""
        d = self.gates(statistics)
        return PruningPlan.from_decisions(
            self.structure, frames=d.frames, tiles=d.tiles, channels=d.channels
        )

    @property
    def macs(self) -> int:
        """MACs of its heads on one clip; the statistics need additions only."""
        T, H, W = self.reads[1:]
        positions = {nn.Linear: 1, nn.Conv1d: T, nn.Conv2d: min(self.grid, H) * min(self.grid, W)}
        return sum(
            positions[type(head)] * head.weight.numel()
            for head in self.children()
            if isinstance(head, nn.Linear | nn.Conv1d | nn.Conv2d)
        )

    @property
    def values_touched(self) -> int:
        """Values that statistics and heads read: the maps and the weights."""
        return prod(self.reads) + sum(p.numel() for p in self.parameters())
