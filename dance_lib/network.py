"""`Dance`: a backbone that prunes itself, clip by clip."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from dance_lib.aap.controller import Controller
from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, PruningPlan, as_plan
from dance_lib.aap.statistics import Statistics, stem_statistics
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Dense, Masked, Visitor, split
from dance_lib.models.find import find_structure
from dance_lib.models.structure import Shape, Structure


class Dance(nn.Module):
    """A backbone with a controller that decides, per clip, what each layer computes.

    `net(clip)` runs the masked executor: it defines the result and saves no work.

    Args:
        backbone: clip (N, C, T, H, W) -> logits; changed by nothing but training.
        clip_shape: (C, T, H, W) of the clips it will see.
        axes: the axes that are pruned.
        grid: cells along each side of the tile grid.
        group_size: consecutive channels kept or dropped together.
        mean, std: of the pixels, for normalisation; one value or one a channel.

    Raises:
        StructureError: the backbone can't be understood; the message names the module.
    """

    def __init__(
        self,
        backbone: nn.Module,
        clip_shape: Shape,
        *,
        axes: Sequence[str] = AXES,
        grid: int = 7,
        group_size: int = 8,
        mean: float | Sequence[float] = 0.45,
        std: float | Sequence[float] = 0.225,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.grid = grid
        self.structure = find_structure(backbone, clip_shape, grid, group_size)
        self.controller = Controller(self.structure, axes, grid=grid)
        # Not registered: both parts hold the backbone's own modules, which would be saved twice.
        self._parts = split(backbone, self.structure)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", _per_channel(mean, clip_shape[0]))
        self.register_buffer("std", _per_channel(std, clip_shape[0]))

    @property
    def clip_shape(self) -> Shape:
        """(C, T, H, W)."""
        return self.structure.clip_shape

    def forward(self, clip: Tensor, plan: PruningPlan | None = None) -> Tensor:
        """Logits (N, classes) of clips (N, C, T, H, W) in [0, 1], by a plan or the controller's.

        Raises:
            DanceError: the clips have another shape, or hold NaN or infinite pixels in evaluation.
            PlanError: the plan does not fit this network or this batch.
        """
        stem_output = self.stem(clip)
        if plan is None:
            masks: Masks = self.decide(stem_output)
        else:
            check_plan(plan, self.structure, len(clip))
            masks = plan.to(clip.device)
        return self.body(stem_output, Masked(masks))

    def dense(self, clip: Tensor) -> Tensor:
        """Logits of the backbone without pruning."""
        return self.body(self.stem(clip), Dense())

    @torch.no_grad()
    def plan(self, clip: Tensor) -> PruningPlan:
        """The controller's plan for clips (N, C, T, H, W): the same in training and evaluation."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            return self.plan_from(self.stem(clip))
        finally:
            for module, training in modes:  # a frozen part stays frozen
                module.training = training

    @torch.no_grad()
    def plan_from(self, stem_output: Tensor) -> PruningPlan:
        """The controller's plan for the stem's output, without gate noise."""
        return self.controller.plan(self.statistics(stem_output))

    def stem(self, clip: Tensor) -> Tensor:
        """Normalise, then run the stem: (N, C, T, H, W) -> (N, C_s, T_s, H_s, W_s)."""
        check_clips(clip, self.clip_shape, values=not self.training)
        return self._parts[0]((clip - self.mean) / self.std)

    def body(self, stem_output: Tensor, visitor: Visitor) -> Tensor:
        """Run everything behind the stem; the visitor sees, and may mask, every unit's output."""
        return self._parts[1](stem_output, visitor)

    def statistics(self, stem_output: Tensor) -> Statistics:
        """All that the controller sees of the clips."""
        return stem_statistics(stem_output, self.grid)

    def decide(self, stem_output: Tensor, temperature: float = 1.0, noise: float = 0.0) -> Masks:
        """The controller's gates, with gradients in training."""
        return self.controller.decide(self.statistics(stem_output), temperature, noise)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        # A buffer on another device or in another format is another tensor, which they must read.
        self._parts = split(self.backbone, self.structure)
        return self


def check_clips(clip: Tensor, clip_shape: Shape, values: bool = True) -> None:
    """Refuse clips that are no (N, C, T, H, W) of this shape, or whose pixels are no numbers.

    Raises:
        DanceError: says what they are and what is expected.
    """
    if clip.dim() != 5 or tuple(clip.shape[1:]) != clip_shape:
        raise DanceError(
            f"clips must be (N, {', '.join(map(str, clip_shape))}), not "
            f"{tuple(clip.shape)}; build Dance with the clip_shape you feed it"
        )
    if not len(clip):
        raise DanceError("the batch holds no clips")
    if values and not torch.isfinite(torch.stack(torch.aminmax(clip))).all():  # one pass
        raise DanceError("the clips hold NaN or infinite pixels")


def check_plan(plan: PruningPlan, structure: Structure, clips: int) -> None:
    """Refuse a plan that is none, or of another network or batch.

    Raises:
        PlanError, DanceError: says what does not fit.
    """
    as_plan(plan).check(structure)
    if len(plan) != clips:
        raise DanceError(f"the plan is for {len(plan)} clips, the batch has {clips}")


def _per_channel(values: float | Sequence[float], channels: int) -> Tensor:
    tensor = torch.as_tensor(values, dtype=torch.float32).reshape(-1)
    if len(tensor) not in (1, channels):
        raise DanceError(f"mean and std need one value or {channels}, not {len(tensor)}")
    return tensor.expand(channels).reshape(1, channels, 1, 1, 1).clone()
