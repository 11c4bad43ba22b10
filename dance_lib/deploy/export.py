"""Networks as ONNX files: dense, dynamic, and a codebook's static ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from torch import Tensor, fx

from dance_lib.aap.plan import PruningPlan
from dance_lib.arguments import checked
from dance_lib.atomic import replacing
from dance_lib.deploy.codebook import Codebook
from dance_lib.deploy.convolution import ExportError
from dance_lib.deploy.graph import IR_VERSION, OPSET, Graph, Value, whole
from dance_lib.deploy.maps import Box, Index, Kept
from dance_lib.deploy.network import Network
from dance_lib.deploy.planner import Chooser, Decider, as_onnx
from dance_lib.models.tracing import shape_of
from dance_lib.network import STEM, Dance

Form = Literal["dense", "dynamic", "codebook"]
FORMS: tuple[Form, ...] = ("dense", "dynamic", "codebook")


@checked
def export(
    net: Dance,
    folder: str | Path,
    form: str = "dense",
    *,
    codebook: Codebook | None = None,
    planar: bool = False,
) -> list[Path]:
    """Write a network as ONNX files for one clip: opset 13, IR 7, float32.

    Args:
        folder: where the files go; it is made.
        form: "dense" and "dynamic" are one file each, `clip` (1, C, T, H, W) in [0, 1] ->
            `logits` (1, classes). Dynamic decides and gathers what it computes, which ONNX Runtime
            can. "codebook" is `stem`, `clip` -> `stem_output` and the number of the `code`, int64
            (1,), and a static network a code, `stem_output` -> `logits`.
        codebook: for that form.
        planar: write factorised 3-D kernels as 2-D ones, for runtimes without 3-D convolutions.

    Returns:
        The files: of a codebook the stem, then the codes in their order.

    Raises:
        ExportError: a part that can't be exported, named; a controller that reads something else
            than the stem's output; a form that is none.
        CodebookError: the codebook is of another network.
    """
    if form not in FORMS:
        raise ExportError(f"unknown form {form!r}; known: {', '.join(FORMS)}")
    if form == "codebook" and codebook is None:
        raise ExportError("form 'codebook' needs a codebook: see make_codebook")
    if form != "dense" and net.reads != STEM:
        raise ExportError(
            f"the controller reads {net.reads!r}: only one that reads the stem exports"
        )
    folder = Path(folder)
    writer = _Writer(net, planar)
    made: dict[str, Callable[[], onnx.ModelProto]]
    if form == "dense":
        made = {"dense": writer.dense}
    elif form == "dynamic":
        made = {"dynamic": writer.dynamic}
    else:
        assert codebook is not None
        made = {"stem": partial(writer.stem, codebook)}
        for number in range(len(codebook)):
            made[f"code_{number}"] = partial(writer.static, codebook.codes[number])
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{name}.onnx", make()) for name, make in made.items()]


def _write(path: Path, model: onnx.ModelProto) -> Path:
    versions = [o.version for o in model.opset_import if o.domain == ""]
    if versions != [OPSET] or model.ir_version > IR_VERSION:
        raise ExportError(
            f"{path.name} came out as opset {versions}, IR {model.ir_version}; "
            f"asked for were {OPSET} and {IR_VERSION}"
        )
    with replacing(path) as partial:
        Path(partial).write_bytes(model.SerializeToString())
    return path


class _Writer:
    """Each form of one network."""

    def __init__(self, net: Dance, planar: bool) -> None:
        self._net = copy.deepcopy(net).float().eval()
        self._structure = self._net.structure
        self._network = Network(self._net.backbone, self._structure, planar)
        self._clip = {"clip": (1, *net.clip_shape)}
        self._stem_output = {"stem_output": (1, *self._structure.stem_shape)}
        self._logits = {"logits": (1, (shape_of(self._last()) or (1, 1))[1])}

    def dense(self) -> onnx.ModelProto:
        """clip -> logits."""
        graph = Graph()
        logits = self._network.body(graph, self._stem(graph), {})
        return graph.model(self._clip, self._logits, [logits])

    def stem(self, codebook: Codebook) -> onnx.ModelProto:
        """clip -> stem_output, code."""
        graph = Graph()
        stem_output = self._stem(graph)
        code: Value = whole(0)  # of a single code: nothing to choose
        if len(codebook) > 1:
            chooser = as_onnx(Chooser(self._net, codebook), self._example(), ["code"])
            (code,) = graph.include(chooser, stem_output)
        outputs = {**self._stem_output, "code": (1,)}
        return graph.model(self._clip, outputs, [stem_output, code])

    def static(self, plan: PruningPlan) -> onnx.ModelProto:
        """stem_output -> logits under the plan of one clip."""
        graph = Graph()
        kept, dropped = {}, []
        for name in plan.units:
            axes = (plan.frames, plan.channels, plan.features)
            frames, channels, tiles = (axis[name][0].float().numpy() for axis in axes)
            if frames.any() and channels.any() and tiles.any():
                kept[name] = Kept(
                    Index.of(graph, frames, len(frames)),
                    Index.of(graph, channels, len(channels)),
                    Box.of(graph, tiles),
                )
        for branch in self._structure.branches.values():
            closed = [u for u in branch.units if u not in kept]
            if branch.droppable and len(closed) == len(branch.units):
                dropped.append(branch.name)
            elif closed:
                raise ExportError(
                    f"unit {closed[0]!r} keeps nothing although its branch {branch.name!r} runs"
                )
        logits = self._network.body(graph, "stem_output", kept, dropped)
        return graph.model(self._stem_output, self._logits, [logits])

    def dynamic(self) -> onnx.ModelProto:
        """clip -> logits by the controller's plan."""
        graph = Graph()
        stem_output = self._stem(graph)
        decider = Decider(self._net)
        names = [f"mask_{i}" for i in range(decider.count)]
        masks = graph.include(as_onnx(decider, self._example(), names), stem_output)
        index = cache(partial(Index.of, graph))  # units that share a mask share what is made of it
        box = cache(partial(Box.of, graph))
        axes = self._net.controller.axes
        kept, runs = {}, {}
        for name, unit in self._structure.units.items():
            frames, channels, tiles = (masks[place] for place in decider.places[name])
            prunes = self._structure.channel_owner(name) is not None
            kept[name] = Kept(
                index(frames, unit.out_shape[1]) if "frames" in axes else None,
                index(channels, unit.out_shape[0]) if "channels" in axes and prunes else None,
                box(tiles) if "features" in axes else None,
            )
        for branch in self._structure.branches.values():
            if branch.droppable and {"frames", "features"} & set(axes):
                frames, _, tiles = (masks[place] for place in decider.places[branch.units[-1]])
                counts = [graph.add("ReduceSum", mask, keepdims=0) for mask in (frames, tiles)]
                there = graph.add("Mul", *counts)
                runs[branch.name] = graph.add("Greater", there, np.zeros((), dtype=np.float32))
        logits = self._network.body(graph, stem_output, kept, runs=runs)
        return graph.model(self._clip, self._logits, [logits])

    def _stem(self, graph: Graph) -> str:
        """Normalise, and run the stem."""
        mean, std = (values.numpy() for values in (self._net.mean, self._net.std))
        normalised = graph.add("Div", graph.add("Sub", "clip", mean), std)
        return self._network.stem(graph, normalised)

    def _example(self) -> Tensor:
        return torch.zeros(1, *self._structure.stem_shape)

    def _last(self) -> fx.Node:
        return self._structure.graph.output_node().all_input_nodes[0]
