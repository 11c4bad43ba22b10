"""`Dance`: a backbone that prunes itself, clip by clip."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from dance_lib.aap.controller import Controller
from dance_lib.aap.masks import Masks
from dance_lib.aap.plan import AXES, PruningPlan, as_plan
from dance_lib.aap.statistics import Statistics, stem_statistics
from dance_lib.arguments import Size, checked
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Dense, Masked, Recorded, Visitor, split
from dance_lib.models.find import find_structure
from dance_lib.models.structure import Shape, Structure

STEM, PIXELS, AVERAGE = "stem", "pixels", "average"  # what a controller may read, or a branch


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
        reads: what the controller reads. "stem" is the method; the others are controls: "pixels",
            "average" (the stem's statistics averaged over the clips seen in training, the same for
            every clip, so what it learns is one static plan), or the name of a branch (its last
            unit's output; no branch up to there is pruned).

    Raises:
        StructureError: the backbone can't be understood; the message names the module.
        DanceError: `reads` is none of these, or another argument is not what it should be.
    """

    @checked
    def __init__(
        self,
        backbone: nn.Module,
        clip_shape: Shape,
        *,
        axes: Sequence[str] = AXES,
        grid: Size = 7,
        group_size: Size = 8,
        mean: float | Sequence[float] | Tensor = 0.45,
        std: float | Sequence[float] | Tensor = 0.225,
        reads: str = STEM,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.grid = grid
        self.reads = reads
        self.structure = find_structure(backbone, clip_shape, grid, group_size)
        self.controller = Controller(
            self.structure, axes, grid, reads=self._shape_read(), opened=self._branches_read(),
            average=reads == AVERAGE,
        )  # fmt: skip
        # Not registered: both parts hold the backbone's own modules, which would be saved twice.
        self._parts = split(backbone, self.structure)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", _per_channel(mean, clip_shape[0]))
        self.register_buffer("std", _per_channel(std, clip_shape[0]))
        if not (self.std > 0).all():
            raise DanceError(f"std must be positive, not {std}")

    @property
    def clip_shape(self) -> Shape:
        """(C, T, H, W)."""
        return self.structure.clip_shape

    def forward(self, clip: Tensor, plan: PruningPlan | None = None) -> Tensor:
        """Logits (N, classes) of clips (N, C, T, H, W) in [0, 1], by a plan or the controller's.

        Raises:
            DanceError: the clips have another shape, number format or device, or hold NaN or
                infinite pixels in evaluation.
            PlanError: the plan does not fit this network or this batch.
        """
        if plan is not None:  # asks for values, which torch.compile can't trace: so first of all
            check_clips(clip, self.clip_shape, self.mean, values=False)
            check_plan(plan, self.structure, len(clip))
        stem_output = self.stem(clip)
        if plan is None:
            return self.body(stem_output, Masked(self.decide(stem_output, clip)))
        return self.body(stem_output, Masked(plan.to(clip.device)))

    def dense(self, clip: Tensor) -> Tensor:
        """Logits of the backbone without pruning."""
        return self.body(self.stem(clip), Dense())

    @torch.no_grad()
    def plan(self, clip: Tensor) -> PruningPlan:
        """The controller's plan for clips (N, C, T, H, W): the same in training and evaluation."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            return self.plan_from(self.stem(clip), clip)
        finally:
            for module, training in modes:  # a frozen part stays frozen
                module.training = training

    @torch.no_grad()
    def plan_from(self, stem_output: Tensor, clip: Tensor | None = None) -> PruningPlan:
        """The controller's plan for the stem's output, without gate noise; see `statistics`."""
        return self.controller.plan(self.statistics(stem_output, clip))

    def export(self, folder: str | Path, form: str = "dense", **options: Any) -> list[Path]:
        """Write ONNX files, "dense", "dynamic" or "codebook"; see `dance_lib.deploy.export`."""
        # By name: what is above this module, and needs an optional package, is no part of it.
        deploy = importlib.import_module("dance_lib.deploy.export")
        return deploy.export(self, folder, form, **options)

    def stem(self, clip: Tensor) -> Tensor:
        """Normalise, then run the stem: (N, C, T, H, W) -> (N, C_s, T_s, H_s, W_s)."""
        look = not (self.training or torch.compiler.is_compiling())
        check_clips(clip, self.clip_shape, self.mean, values=look)
        return self._parts[0](self._normalise(clip))

    def body(self, stem_output: Tensor, visitor: Visitor) -> Tensor:
        """Run everything behind the stem; the visitor sees, and may mask, every unit's output."""
        return self._parts[1](stem_output, visitor)

    def statistics(self, stem_output: Tensor, clip: Tensor | None = None) -> Statistics:
        """All that the controller sees of the clips.

        Args:
            clip: (N, C, T, H, W) of the stem's output; needed where the controller reads pixels.
        """
        if self.reads in (STEM, AVERAGE):
            return stem_statistics(stem_output, self.grid)
        with torch.no_grad():
            return stem_statistics(self._maps_read(stem_output, clip), self.grid)

    def decide(
        self, stem_output: Tensor, clip: Tensor | None = None, *, noise: float = 0.0
    ) -> Masks:
        """The controller's gates, with gradients in training; `clip` as for `statistics`."""
        return self.controller.decide(self.statistics(stem_output, clip), noise)

    def _maps_read(self, stem_output: Tensor, clip: Tensor | None) -> Tensor:
        """What a control reads in the place of the stem's output."""
        if self.reads == PIXELS:
            if clip is None:
                raise DanceError("this controller reads pixels: give it the clips as well")
            return self._normalise(clip)
        outputs: dict[str, Tensor] = {}
        with _norms_forget(self.backbone):  # the maps that are pruned come after these
            self.body(stem_output, Recorded(outputs.__setitem__))
        return outputs[self.structure.branches[self.reads].units[-1]]

    def _branches_read(self) -> tuple[str, ...]:
        """The branches that have run in full when the controller reads."""
        names = list(self.structure.branches)
        return tuple(names[: names.index(self.reads) + 1]) if self.reads in names else ()

    def _shape_read(self) -> Shape:
        """(C, T, H, W) of what the controller reads."""
        if self.reads in self.structure.branches:
            last = self.structure.branches[self.reads].units[-1]
            return self.structure.units[last].out_shape
        if self.reads not in (STEM, PIXELS, AVERAGE):
            known = ", ".join((STEM, PIXELS, AVERAGE, *self.structure.branches))
            raise DanceError(f"a controller reads one of {known}; not {self.reads!r}")
        return self.clip_shape if self.reads == PIXELS else self.structure.stem_shape

    def _normalise(self, clip: Tensor) -> Tensor:
        return (clip - self.mean) / self.std

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        # A buffer on another device or in another format is another tensor, which they must read.
        self._parts = split(self.backbone, self.structure)
        return self


@contextmanager
def _norms_forget(network: nn.Module) -> Iterator[None]:
    """While open, norms in training remember nothing of the batches they standardise."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = norm.track_running_stats and not norm.training
    try:
        yield
    finally:
        for norm, tracks in zip(norms, before, strict=True):
            norm.track_running_stats = tracks


def remade(net: Dance, backbone: nn.Module | None = None, **options: Any) -> Dance:
    """A new network for the same clips, its controller drawn anew; `options` are those of `Dance`.

    Args:
        backbone: in the place of the network's own, which both hold otherwise.
    """
    return Dance(
        net.backbone if backbone is None else backbone,
        net.clip_shape,
        grid=net.grid,
        group_size=net.structure.group_size,
        mean=net.mean.flatten().tolist(),
        std=net.std.flatten().tolist(),
        **options,
    )


def check_clips(clip: Tensor, clip_shape: Shape, like: Tensor, values: bool = True) -> None:
    """Refuse clips that are no (N, C, T, H, W) of this shape, or whose pixels are no numbers.

    Args:
        like: a tensor of the network, whose device they must share and whose number format must
            hold theirs.

    Raises:
        DanceError: says what they are and what is expected.
    """
    if not isinstance(clip, Tensor) or clip.layout != torch.strided:
        given = getattr(clip, "layout", type(clip).__name__)
        raise DanceError(f"clips must be a dense tensor, not {given}; torch.as_tensor makes one")
    if not clip.is_floating_point() or torch.promote_types(clip.dtype, like.dtype) != like.dtype:
        raise DanceError(
            f"clips must be {like.dtype} in [0, 1], not {clip.dtype}; convert them by "
            "clip.float(), and divide bytes by 255"
        )
    if clip.device != like.device:
        raise DanceError(f"clips are on {clip.device}, the network on {like.device}; move one")
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


def not_finite(net: nn.Module) -> str | None:
    """Name of the first weight or buffer that holds NaN or infinity."""
    tensors = net.state_dict().items()
    return next((name for name, tensor in tensors if not torch.isfinite(tensor).all()), None)


def as_dance(value: Any) -> Dance:
    """The value, if it is a network.

    Raises:
        DanceError: it is something else.
    """
    if not isinstance(value, Dance):
        raise DanceError(f"net must be a Dance network, not {type(value).__name__}")
    return value


def _per_channel(values: float | Sequence[float] | Tensor, channels: int) -> Tensor:
    tensor = torch.as_tensor(values, dtype=torch.float32).reshape(-1)
    if not torch.isfinite(tensor).all():
        raise DanceError(f"mean and std must be numbers, not {values}")
    if len(tensor) not in (1, channels):
        raise DanceError(f"mean and std need one value or {channels}, not {len(tensor)}")
    return tensor.expand(channels).reshape(1, channels, 1, 1, 1).clone()
