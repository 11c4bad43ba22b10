"""The sparse executor: computes what a plan keeps, and nothing else."""

from __future__ import annotations

import copy
import threading
import warnings
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from dance_lib.aap.plan import PruningPlan
from dance_lib.aap.statistics import Sums, statistics_of
from dance_lib.errors import DanceError
from dance_lib.executors.cost_model import CostModel, measured
from dance_lib.executors.kernels import Kernels
from dance_lib.executors.layer import Kept
from dance_lib.executors.masked import Masked
from dance_lib.executors.native import Native, NativeError
from dance_lib.executors.portable import Portable
from dance_lib.executors.program import Program
from dance_lib.executors.rows import Rows, kept
from dance_lib.executors.steps import Record, Run
from dance_lib.executors.workspace import Workspace
from dance_lib.network import STEM, Dance, as_dance, check_clips, check_plan

if TYPE_CHECKING:  # Triton, which it needs, is no dependency of all
    from dance_lib.executors.cuda.executor import SparseCuda

Backend = Literal["auto", "cpu", "cuda", "reference"]
Spent = dict[str, tuple[int, int]]
Stems = list[tuple[Run, Rows]]  # each clip on its way, and what its stem gave


class Sparse:
    """A `Dance` network in evaluation whose plans save work; made by `sparse`.

    It holds copies of the weights, laid out for its kernels: train the `Dance` network, then make
    a new one. Each clip of a batch runs by its own plan, one after the other.

    Attributes:
        structure, clip_shape: of the network.
        controller: a copy, in evaluation.
        dtype: of activations and weights; sums are float32.
    """

    def __init__(self, net: Dance, kernels: Kernels) -> None:
        self.structure, self.clip_shape, self.grid = net.structure, net.clip_shape, net.grid
        self.controller = copy.deepcopy(net.controller).float().eval()
        self.dtype = kernels.dtype
        mean, std = net.mean.float(), net.std.float()
        self._scale, self._shift = 1 / std, -mean / std
        self._kernels = kernels
        self._program = Program(net.backbone, net.structure, kernels)
        self._costs = CostModel(net.structure, self._program.layers, measured(kernels))
        self._local = threading.local()

    def __call__(
        self, clip: Tensor, plan: PruningPlan | None = None, record: Record | None = None
    ) -> Tensor:
        """Logits (N, classes) float32 of clips (N, C, T, H, W) float32 in [0, 1].

        Args:
            clip: the clips.
            plan: what to compute; by default the controller's.
            record: called for each clip with each unit's name and output (1, C_u, T_u, H_u, W_u),
                zeros where the plan drops it.

        Raises:
            DanceError: the clips have another shape, or hold NaN or infinite pixels.
            PlanError: the plan does not fit this network or this batch.
        """
        return self.run(clip, plan, record)[0]

    def plan(self, clip: Tensor) -> PruningPlan:
        """The controller's plan for clips (N, C, T, H, W)."""
        return self.plan_from(self.stem(clip))

    @torch.inference_mode(mode=False)  # memory it keeps must serve later calls, too
    @torch.no_grad()
    def run(
        self, clip: Tensor, plan: PruningPlan | None = None, record: Record | None = None
    ) -> tuple[Tensor, list[Spent]]:
        """As a call; also the MACs and bytes that each clip took, by unit and `other`."""
        stems = self.stem(clip)
        if plan is not None:
            check_plan(plan, self.structure, len(clip))
        plan = self.plan_from(stems) if plan is None else plan
        logits = []
        for number, (run, _) in enumerate(stems):
            run.kept = kept_of(plan, number)
            run.dropped = frozenset(
                branch.name
                for branch in self.structure.branches.values()
                if branch.droppable and all(run.kept[u].nothing for u in branch.units)
            )
            run.compact = self._costs.choose(run.kept)
            run.record = record
            logits.append(self._program.body(run))
        return torch.cat(logits), [run.spent for run, _ in stems]

    def executed(self, plan: PruningPlan) -> list[Spent]:
        """MACs and bytes that each clip of a plan takes: they do not depend on its pixels."""
        return self.run(torch.zeros(len(plan), *self.clip_shape), plan)[1]

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def stem(self, clip: Tensor) -> Stems:
        """Run the stem on clips (N, C, T, H, W); for `plan_from`."""
        check_clips(clip, self.clip_shape, self._shift)
        if not hasattr(self._local, "free"):  # two threads must not write to one buffer
            self._local.free = []
        memory = Workspace(self._local.free)
        runs = [Run(memory, {}) for _ in clip]
        normalised = torch.addcmul(self._shift, clip, self._scale)
        return [(run, self._program.stem(run, c)) for run, c in zip(runs, normalised, strict=True)]

    @torch.no_grad()
    def plan_from(self, stems: Stems) -> PruningPlan:
        """The controller's plan for what `stem` gave."""
        each = [vars(self._kernels.sums(rows)) for _, rows in stems]
        sums = Sums(**{name: torch.cat([e[name] for e in each]) for name in each[0]})
        return self.controller.plan(statistics_of(sums, self.grid))


class _Outputs:
    """Records what a visitor makes of every unit's output."""

    def __init__(self, inner: Masked, record: Record) -> None:
        self._inner, self._record = inner, record

    def unit(self, name: str, output: Tensor) -> Tensor:
        """The inner visitor's, recorded."""
        masked = self._inner.unit(name, output)
        self._record(name, masked)
        return masked

    def pool(self, name: str, pooled: Tensor) -> Tensor:
        """The inner visitor's."""
        return self._inner.pool(name, pooled)


class Reference:
    """The masked executor in float64: slow, and what every other one is held against."""

    def __init__(self, net: Dance) -> None:
        self._net = copy.deepcopy(net).double().eval()
        self.structure, self.clip_shape = self._net.structure, net.clip_shape
        self.controller = self._net.controller
        self.dtype = torch.float64

    @torch.no_grad()
    def __call__(
        self, clip: Tensor, plan: PruningPlan | None = None, record: Record | None = None
    ) -> Tensor:
        """As `Sparse`, in float64; records whole batches (N, C_u, T_u, H_u, W_u)."""
        clip = self._in_float64(clip)
        plan = self.plan(clip) if plan is None else plan
        check_plan(plan, self.structure, len(clip))
        masked = Masked(plan)
        visitor = masked if record is None else _Outputs(masked, record)
        return self._net.body(self._net.stem(clip), visitor)

    def plan(self, clip: Tensor) -> PruningPlan:
        """The controller's plan for clips (N, C, T, H, W), decided in float64."""
        return self._net.plan(self._in_float64(clip))

    def _in_float64(self, clip: Tensor) -> Tensor:
        check_clips(clip, self.clip_shape, self._net.mean, values=False)
        return clip.double()


def sparse(
    net: Dance, backend: Backend = "auto", dtype: torch.dtype | None = None
) -> Sparse | SparseCuda | Reference:
    """The executor that skips what a plan drops. Evaluation only; it copies the weights.

    Args:
        net: the network; left as it is.
        backend: "cpu"; "cuda", whole batches on a GPU; "reference", the masked executor in
            float64; "auto", "cuda" for a network that is on a GPU, else "cpu".
        dtype: of weights and activations; torch.float32 (the default on CPUs) or torch.bfloat16,
            on a GPU also torch.float16 (the default there).

    Raises:
        DanceError: an unknown backend or number format, or one that this machine can't serve; a
            network whose controller reads something else than the stem's output.
    """
    net = as_dance(net)
    if backend == "reference":
        return Reference(net)
    if backend not in ("auto", "cpu", "cuda"):
        raise DanceError(
            f"backend {backend!r} is not available; choose auto, cpu, cuda or reference"
        )
    if net.reads != STEM:
        raise DanceError(
            f"the controller reads {net.reads!r}, a control: the sparse executor decides by "
            "the stem's output alone; run the network itself, or backend='reference'"
        )
    if backend == "cuda" or (backend == "auto" and net.mean.is_cuda):
        return _on_gpu(net, dtype or torch.float16)
    dtype = dtype or torch.float32
    if dtype not in (torch.float32, torch.bfloat16):
        raise DanceError(f"dtype must be torch.float32 or torch.bfloat16, not {dtype}")
    return Sparse(net, _kernels(dtype))


def _on_gpu(net: Dance, dtype: torch.dtype) -> SparseCuda:
    try:
        from dance_lib.executors.cuda.executor import SparseCuda
    except ModuleNotFoundError as error:
        raise DanceError(
            f"backend 'cuda' needs {error.name}: pip install 'dance-lib[cuda]'"
        ) from error
    return SparseCuda(net, dtype)


def _kernels(dtype: torch.dtype) -> Kernels:
    try:
        return Native(dtype)
    except NativeError as error:
        warnings.warn(f"slow kernels are used: {error}", stacklevel=3)
        return Portable(dtype)


def kept_of(plan: PruningPlan, clip: int) -> dict[str, Kept]:
    """What the plan keeps of each unit for one clip of its batch."""
    return {
        name: Kept(
            kept(plan.frames[name][clip].numpy()),
            kept(plan.features[name][clip].flatten().numpy()),
            kept(plan.channels[name][clip].numpy()),
        )
        for name in plan.units
    }
