"""The sparse executor on a GPU: whole batches, each clip by its own plan, nothing on the host."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from dance_lib.aap.plan import PruningPlan
from dance_lib.aap.statistics import statistics_of
from dance_lib.errors import DanceError
from dance_lib.executors.cuda.convolution import Convolution, Shared
from dance_lib.executors.cuda.entry import Entry
from dance_lib.executors.cuda.gates import Gates
from dance_lib.executors.cuda.graph import aligned, parts_of
from dance_lib.executors.cuda.kernels import INTERPRETED
from dance_lib.executors.cuda.layout import Layout, PackedPlan, is_listed
from dance_lib.executors.cuda.neighbours import Neighbours, Reader
from dance_lib.executors.cuda.replay import Replay
from dance_lib.executors.cuda.statistics import sums_of
from dance_lib.executors.cuda.visitor import Skipping
from dance_lib.executors.steps import Record
from dance_lib.meter.traffic import dense_bytes
from dance_lib.models.residual import owned_by_branches
from dance_lib.models.structure import OTHER
from dance_lib.network import Dance, check_clips, check_plan

Spent = dict[str, tuple[int, int]]
DTYPES = (torch.float16, torch.bfloat16, torch.float32)


class SparseCuda:
    """A `Dance` network in evaluation whose plans save work on a GPU; made by `sparse`.

    It holds copies of the weights: train the `Dance` network, then make a new one. Activations are
    whole maps, channels last, of which only what is kept is computed, written and read. When a
    batch size first comes, kernels are compiled and tried in several tile sizes on a full plan,
    which takes long, and the network is captured into a CUDA graph. Threads may share it: they take
    turns.

    Attributes:
        structure, clip_shape: of the network.
        controller: a copy, in evaluation.
        dtype: of activations and weights; sums are float32.
        device: where it runs: the network's GPU, or the current one; with TRITON_INTERPRET=1 the
            CPU.

    Raises:
        DanceError: a number format that is not served, or no GPU.
    """

    def __init__(self, net: Dance, dtype: torch.dtype = torch.float16) -> None:
        if dtype not in DTYPES:
            raise DanceError(f"dtype must be {', '.join(map(str, DTYPES))}, not {dtype}")
        if not (INTERPRETED or torch.cuda.is_available()):
            raise DanceError(
                "backend 'cuda' needs a CUDA device; choose backend='cpu', or set "
                "TRITON_INTERPRET=1 before Python starts to try it without one, slowly"
            )
        self.device = _device_of(net)
        self.structure, self.clip_shape, self.grid = net.structure, net.clip_shape, net.grid
        self.dtype = dtype
        self.controller = copy.deepcopy(net.controller).float().eval().to(self.device)
        scale = (1 / net.std.float()).to(self.device)
        self._shift = -net.mean.float().to(self.device) * scale
        network = copy.deepcopy(net.backbone).float().cpu().eval()
        owners = {
            node.name: name for node, name in owned_by_branches(network, net.structure).items()
        }
        closable = {u.name for u in net.structure.units.values() if owners.get(u.node) == u.branch}
        self._layout = Layout(net.structure, closable, self.device)
        parts = parts_of(network, net.structure)
        self._sums, self._readers = parts.sums, frozenset(parts.sources)
        shared = Shared.on(self.device)
        self._convolutions = {
            name: Convolution(
                net.structure.units[name], *folded, self._layout.places[name],
                is_listed(net.structure, name), shared, self.device, dtype,
            )
            for name, folded in parts.folded.items()
        }  # fmt: skip
        self._gates = Gates(self.controller, self._layout, self.device)
        places = self._layout.places
        self._neighbours = Neighbours(
            (
                Reader(c.unit, c.window, c.place, places.get(parts.sources.get(name, "")))
                for name, c in self._convolutions.items()
            ),
            self.device,
        )
        self._entry = Entry(parts.stem, net.clip_shape, scale, self._shift, dtype)
        self._stem, self._body = (
            aligned(part).to(self.device, dtype) for part in (parts.stem, parts.body)
        )
        for weight in (*self._stem.parameters(), *self._body.parameters()):
            if weight.dim() == 5:  # of a 3-D convolution
                weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
        self._turn = threading.Lock()  # a capture bears no other work of this process beside it
        self._tuned_for: set[int] = set()
        self._replay_stem = Replay(self._run_stem)
        self._replay_decide = Replay(lambda maps: (self._decide(maps).flags,))
        self._replay_planned = Replay(self._run_planned)
        self._replay = Replay(self._run)

    @torch.no_grad()
    def __call__(
        self,
        clip: Tensor,
        plan: PruningPlan | PackedPlan | None = None,
        record: Record | None = None,
    ) -> Tensor:
        """Logits (N, classes) float32 on the device, of clips (N, C, T, H, W) float32 in [0, 1].

        Args:
            clip: the clips, on the device.
            plan: what to compute; by default the controller's. One that `pack` gave costs nothing
                on the host.
            record: called for each clip with each unit's name and output (1, C_u, T_u, H_u, W_u),
                zeros where the plan drops it; what nobody reads is computed then, too.

        Raises:
            DanceError: the clips have another shape or device, or hold NaN or infinite pixels.
            PlanError: the plan does not fit this network or this batch.
        """
        check_clips(clip, self.clip_shape, self._shift, values=False)
        with self._at_work():
            packed = None if plan is None else self._packed(plan, len(clip))
            self._tune(clip)
            if record is not None:
                maps, finite = self._run_stem(clip)
                logits = self._run_body(maps, packed or self._decide(maps), record)
            elif packed is None:
                logits, finite = self._replay(clip)
            else:
                logits, finite = self._replay_planned(clip, packed.flags)
            if not finite:  # waits for the device: asked before, it would stand idle meanwhile
                raise DanceError("the clips hold NaN or infinite pixels")
            return logits

    def plan(self, clip: Tensor) -> PruningPlan:
        """The controller's plan for clips (N, C, T, H, W)."""
        return self.plan_from(self.stem(clip))

    def pack(self, plan: PruningPlan) -> PackedPlan:
        """Check a plan and lay it out on the device."""
        with self._at_work():
            return self._packed(plan, len(plan))

    @torch.no_grad()
    def stem(self, clip: Tensor) -> Tensor:
        """The stem's output for clips (N, C, T, H, W); for `decide` and `plan_from`."""
        with self._at_work():
            check_clips(clip, self.clip_shape, self._shift)
            return self._replay_stem(clip)[0]

    @torch.no_grad()
    def decide(self, stem: Tensor) -> PackedPlan:
        """The controller's plan for what `stem` gave, as it is run: it stays on the device."""
        with self._at_work():
            return PackedPlan(*self._replay_decide(stem))

    @torch.no_grad()
    def plan_from(self, stem: Tensor) -> PruningPlan:
        """The controller's plan for what `stem` gave."""
        with self._at_work():
            return self.controller.plan(statistics_of(sums_of(stem), self.grid))

    def executed(self, plan: PruningPlan) -> list[Spent]:
        """MACs and bytes that each clip of a plan takes, by unit and `other`.

        Counted from what the plan keeps, in whole tiles of the sizes that were chosen last; each
        batch size has its own.
        """
        itemsize = self.dtype.itemsize
        others = self.structure.others
        other = itemsize * sum(layer.weights + layer.inputs + layer.outputs for layer in others)
        clips = self._layout.lists(self.pack(plan)).counts.tolist()  # (N, units, segments)
        return [
            {OTHER: (self.structure.other_macs, other)}
            | {
                name: self._convolutions[name].spent(kept, name in self._sums)
                if name in self._convolutions
                else (unit.dense_macs, dense_bytes(unit, itemsize))
                for (name, unit), kept in zip(self.structure.units.items(), units, strict=True)
            }
            for units in clips
        ]

    def _packed(self, plan: PruningPlan | PackedPlan, clips: int) -> PackedPlan:
        if not isinstance(plan, PackedPlan):
            check_plan(plan, self.structure, clips)
            return self._layout.of_plan(plan)
        if plan.flags.shape != (clips, self._layout.width):
            raise DanceError(f"the packed plan is another network's, or not for {clips} clips")
        return plan

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """While open, no other thread is at work here, and the current device is this one's."""
        on_device = torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()
        with self._turn, on_device:
            yield

    def _tune(self, clip: Tensor) -> None:
        """Let kernels choose their tiles on a full plan: of one that drops much, all look alike."""
        if len(clip) in self._tuned_for or INTERPRETED:
            return
        full = PruningPlan.full(self, len(clip))
        self._run_planned(clip, self._packed(full, len(clip)).flags)
        self._tuned_for.add(len(clip))

    # ------------------------------------------------------------------ what is replayed
    def _run(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        maps, finite = self._run_stem(clip)
        return self._run_body(maps, self._decide(maps)), finite

    def _run_planned(self, clip: Tensor, flags: Tensor) -> tuple[Tensor, Tensor]:
        maps, finite = self._run_stem(clip)
        return self._run_body(maps, PackedPlan(flags)), finite

    def _run_stem(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, C, T, H, W), and whether all pixels are finite, ()."""
        maps, finite = self._entry(clip)
        return self._stem(maps), finite

    def _decide(self, maps: Tensor) -> PackedPlan:
        return self._gates(self.controller(statistics_of(sums_of(maps), self.grid)))

    def _run_body(self, maps: Tensor, packed: PackedPlan, record: Record | None = None) -> Tensor:
        """Logits (N, classes); overwrites the maps."""
        visitor = Skipping(
            self._convolutions, self._readers, self._layout, self._neighbours, packed, record
        )
        return self._body(maps, visitor).float()


def _device_of(net: Dance) -> torch.device:
    if INTERPRETED:
        return torch.device("cpu")
    on_gpu = net.mean.device.type == "cuda"
    return net.mean.device if on_gpu else torch.device("cuda", torch.cuda.current_device())
