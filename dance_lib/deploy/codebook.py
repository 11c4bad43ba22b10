"""A codebook: few static plans, the nearest of which stands for the plan of a clip.

Engines on the edge take static networks. With one network a code, and a stem that says which code
is next, pruning looks at the clip and every convolution is still static. Ours.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.atomic import replacing
from dance_lib.errors import DanceError
from dance_lib.meter.cost import mac_ratios
from dance_lib.models.structure import Structure
from dance_lib.rivals.plans import gates_of, mean_gates

FORMAT = "1"


class CodebookError(DanceError):
    """A codebook that can't be made, read or used; the message says why."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """K plans of one network.

    Attributes:
        codes: the plans, as those of K clips.
        structure: of the network.
    """

    codes: PruningPlan
    structure: Structure

    def __post_init__(self) -> None:
        self.codes.check(self.structure)

    def __len__(self) -> int:
        return len(self.codes)

    def nearest(self, masks: Masks) -> Tensor:
        """The number of the code nearest to each clip's plan, int64 (N,).

        Distance is the share of MACs about whose keeping plan and code disagree, a branch's frames
        and tiles and a unit's channel groups each weighing as much as the branch or unit does.
        """
        scale = decision_weights(self.structure).to(masks.frames[masks.units[0]].device)
        codes = decisions(self.codes, self.structure).to(scale.device)  # (K, decisions)
        own = decisions(masks, self.structure)  # (N, decisions)
        # |p − c|² of zeros and ones is what differs; |p|² is the same for all codes.
        distance = (codes * scale).sum(1) - 2 * own @ (codes * scale).T  # (N, K)
        return distance.argmin(1)

    def plan_for(self, masks: Masks) -> PruningPlan:
        """For each clip the nearest code."""
        return self.codes[self.nearest(masks)]

    def mac_ratios(self, controller_macs: int = 0) -> Tensor:
        """R of each code, (K,)."""
        return mac_ratios(self.structure, self.codes, controller_macs)

    def save(self, path: str | Path) -> Path:
        """Write it to a `.safetensors` file, atomically."""
        path = Path(path)
        tensors = {
            f"{axis}.{unit}": mask.to(torch.uint8).contiguous()
            for axis in AXES
            for unit, mask in getattr(self.codes, axis).items()
        }
        try:
            with replacing(path) as partial:
                save_file(tensors, partial, {"dance-codebook": FORMAT})
        except (OSError, SafetensorError) as error:
            raise CodebookError(f"can't write {path}: {error}") from error
        return path

    @classmethod
    def load(cls, path: str | Path, structure: Structure) -> Codebook:
        """Read one that was made for a network of this structure.

        Raises:
            CodebookError: no such file, no codebook, or one of another network.
        """
        path = Path(path)
        if not path.is_file():
            raise CodebookError(f"no codebook at {path}")
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("dance-codebook") != FORMAT:
                    raise CodebookError(f"{path} is no codebook of this library (format {FORMAT})")
                masks = {
                    axis: {
                        unit: file.get_tensor(f"{axis}.{unit}").bool() for unit in structure.units
                    }
                    for axis in AXES
                }
            return cls(PruningPlan(*masks.values()), structure)
        except (OSError, SafetensorError) as error:
            raise CodebookError(f"{path} is no codebook of this network: {error}") from error


def make_codebook(plan: PruningPlan, structure: Structure, size: int, seed: int = 0) -> Codebook:
    """Cluster plans by k-means; a code keeps what its cluster keeps most often, at its mean R.

    Args:
        plan: plans of training clips.
        size: number of codes; fewer where there are fewer different plans.

    Raises:
        CodebookError: less than one code.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if size < 1:
        raise CodebookError(f"a codebook needs at least one code, not {size}")
    points = decisions(plan, structure).numpy()
    size = min(size, len(np.unique(points, axis=0)))
    scaled = points * decision_weights(structure).sqrt().numpy()  # squared distance is the MACs'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # plans that are alike
        cluster = KMeans(size, n_init=4, random_state=seed).fit_predict(scaled)
    ratios = mac_ratios(structure, plan)
    codes = []
    for number in np.unique(cluster):
        members = np.flatnonzero(cluster == number).tolist()
        codes.append(mean_gates(plan[members], structure, ratios[members].mean().item()))
    return Codebook(PruningPlan.cat(codes), structure)


def decisions(masks: Masks, structure: Structure) -> Tensor:
    """What a plan decides, float32 (N, decisions): frames and tiles of branches, channel groups.

    Masks at the resolution of units say each decision many times over; here it stands once. A
    dropped branch keeps nothing on any axis.
    """
    parts = []
    runs = {}
    frames, tiles, channels = gates_of(masks, structure)
    for branch in structure.branches:
        times, places = frames[branch].float(), tiles[branch].float().flatten(1)
        runs[branch] = times.amax(1, keepdim=True) * places.amax(1, keepdim=True)  # (N, 1)
        parts += [times * runs[branch], places * runs[branch]]
    parts += [g.float() * runs[structure.units[unit].branch] for unit, g in channels.items()]
    return torch.cat(parts, dim=1)


def decision_weights(structure: Structure) -> Tensor:
    """Share of the MACs that each decision weighs, (decisions,), in the order of `decisions`."""
    parts = []
    macs = {name: unit.dense_macs / structure.dense_macs for name, unit in structure.units.items()}
    for branch in structure.branches.values():
        share = sum(macs[u] for u in branch.units)
        cells = branch.grid[0] * branch.grid[1]
        parts.append(torch.full((branch.size[0],), share / branch.size[0]))
        parts.append(torch.full((cells,), share / cells))
    for unit in structure.channel_owners:
        groups = structure.groups(unit)
        parts.append(torch.full((groups,), macs[unit] / groups))
    return torch.cat(parts)
