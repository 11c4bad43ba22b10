"""A network's graph as an ONNX graph, under what each unit keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import fx, nn

from dance_lib.deploy.convolution import Convolution, ExportError, convolve
from dance_lib.deploy.graph import Graph
from dance_lib.deploy.maps import EVERYTHING, Kept, Map
from dance_lib.deploy.operations import (
    activation,
    added,
    described,
    mean_of_kept,
    operation,
    scaled,
)
from dance_lib.executors.layer import folded, is_affine
from dance_lib.models.nodes import TRANSPARENT, Nodes, is_plain, overwrites, triple
from dance_lib.models.residual import is_addition, owned_by_branches
from dance_lib.models.structure import Structure
from dance_lib.models.tracing import holds_tensors, shape_of


class Network:
    """Writes parts of a network into a graph.

    Args:
        backbone: in evaluation.
        structure: of it.
        planar: write factorised 3-D kernels as 2-D ones.
    """

    def __init__(self, backbone: nn.Module, structure: Structure, planar: bool = False) -> None:
        self._backbone, self._structure, self._planar = backbone, structure, planar
        self._nodes = Nodes(backbone, structure.graph)
        graph = list(structure.graph.nodes)
        cut = next(i for i, node in enumerate(graph) if node.name == structure.stem) + 1
        self._stem, self._body = graph[:cut], graph[cut:]
        self._unit_at = {unit.node: unit for unit in structure.units.values()}
        self._inside_unit = self._insides()
        self._owners = owned_by_branches(backbone, structure)

    def stem(self, graph: Graph, clip: str) -> str:
        """Normalised clip (1, C, T, H, W) -> the stem's output."""
        values: dict[fx.Node, Any] = {self._stem[0]: Map(clip, self._structure.clip_shape)}
        for node in self._stem[1:]:
            self._write(graph, node, values, {})
        return str(values[self._stem[-1]].whole(graph).value)

    def body(
        self,
        graph: Graph,
        stem_output: str,
        kept: Mapping[str, Kept],
        dropped: Iterable[str] = (),
        runs: Mapping[str, str] | None = None,
    ) -> str:
        """All behind the stem: -> logits (1, classes).

        Args:
            kept: by unit; everything where one is left out.
            dropped: branches that are left out.
            runs: by branch, whether it runs for a clip, a bool (); always where one is left out.
        """
        stem = Map(stem_output, self._structure.stem_shape)
        values: dict[fx.Node, Any] = {self._stem[-1]: stem}
        dropped, runs = set(dropped), runs or {}
        owners = dict(self._owners)
        waiting: dict[str, list[fx.Node]] = {name: [] for name in runs}
        for node in self._body:
            if node.op == "output":
                return str(values[node.all_input_nodes[0]])
            late = [n for n in node.all_input_nodes if owners.get(n) in waiting]
            if late and holds_tensors(node) and owners.get(node) not in waiting:
                if is_addition(node) and len(late) == 1:
                    branch = owners[late[0]]
                    values[node] = self._if_it_runs(
                        graph, node, late[0], waiting[branch], runs[branch], values, kept
                    )
                    continue
                owners[node] = owners[late[0]]  # a gate behind the last unit, say
            owner = owners.get(node)
            if owner in dropped:
                values[node] = None
            elif owner in waiting:
                waiting[owner].append(node)
            else:
                self._write(graph, node, values, kept)
        raise AssertionError("a graph ends with its output")

    def _if_it_runs(
        self,
        graph: Graph,
        node: fx.Node,
        end: fx.Node,
        branch: list[fx.Node],
        condition: str,
        values: dict[fx.Node, Any],
        kept: Mapping[str, Kept],
    ) -> Map:
        """The sum of a branch that ends at `end`, and of the stream alone where it does not run."""
        stream = next(values[n] for n in node.all_input_nodes if n is not end).whole(graph)

        def then() -> str:
            for inner in branch:
                self._write(graph, inner, values, kept)
            inputs = [values[end] if n is end else stream for n in node.all_input_nodes]
            return str(added(graph, inputs, _alpha(node)).value)

        return Map(graph.either(condition, then, stream.value), stream.shape)

    def _write(
        self,
        graph: Graph,
        node: fx.Node,
        values: dict[fx.Node, Any],
        kept: Mapping[str, Kept],
    ) -> None:
        """Put a node's value beside those of the nodes before it."""
        if not holds_tensors(node):
            return  # a size: shapes are known
        nodes, module = self._nodes, self._nodes.module(node)
        inputs = [values.get(n) for n in node.all_input_nodes if holds_tensors(n)]
        first: Any = inputs[0] if inputs else None
        unit = self._unit_at.get(node.name)
        if isinstance(module, TRANSPARENT) or self._is_folded(node):
            value = inputs[0]
        elif nodes.is_conv(node):
            value = self._convolution(graph, node, inputs[0], kept)
        elif is_addition(node) and len(inputs) == 2:
            value = added(graph, inputs, _alpha(node))
        elif not inputs or any(x is None for x in inputs):
            if not inputs:
                raise ExportError(f"{described(nodes, node)} has no counterpart in the export")
            value = None
        elif node.name in self._structure.pools:
            value = mean_of_kept(graph, first, shape_of(node))
        else:
            value = self._operation(graph, node, inputs)
        if unit is not None and isinstance(value, Map):
            value = value.masked(graph)
            if not self._structure.branches[unit.branch].droppable and value.kept.box is not None:
                value = value.everywhere(graph)  # the next unit's tiles may lie elsewhere
        values[node] = value
        if overwrites(self._backbone, node):  # who reads that value from now on reads this
            values[node.all_input_nodes[0]] = value

    def _operation(self, graph: Graph, node: fx.Node, inputs: list[Any]) -> Any:
        """Within a unit, before its mask, an activation sees just the positions that are kept."""
        conv = self._inside_unit.get(node)
        if conv is None:
            return operation(graph, self._nodes, node, inputs)
        function = activation(self._nodes, node)
        x = inputs[0]
        if function is None and not is_affine(self._nodes.module(node)):
            raise ExportError(
                f"unit {conv!r} is followed by {described(self._nodes, node)}, which has no "
                "counterpart in the export"
            )
        if function is None:  # a norm behind the activation
            return scaled(graph, self._nodes.module(node), x)
        return Map(function(graph, x.value), x.shape, x.kept)

    def _convolution(self, graph: Graph, node: fx.Node, x: Any, kept: Mapping[str, Kept]) -> Any:
        conv = self._nodes.module(node)
        assert isinstance(conv, nn.Conv3d)
        name = str(node.target)
        if not is_plain(conv):
            raise ExportError(
                f"unit {name!r} ({type(conv).__name__}) has a forward of its own: what it "
                "computes can't be known from its weights"
            )
        norm = self._norm_of(node)
        weight, bias = folded(conv, None if norm is None else self._nodes.module(norm))
        written = Convolution(
            name,
            weight.numpy(),
            bias.numpy(),
            triple(conv.stride),
            triple(conv.padding),
            triple(conv.dilation),
            conv.groups,
            self._planar,
        )
        if isinstance(x, Map):
            return convolve(graph, x, written, kept.get(name, EVERYTHING), self._nodes.map_of(node))
        pooled = Map(x, (conv.in_channels, 1, 1, 1))  # a gate's layer, behind a global pool
        return convolve(graph, pooled, written, EVERYTHING, self._nodes.map_of(node)).value

    def _norm_of(self, conv: fx.Node) -> fx.Node | None:
        """The norm that folds into a convolution."""
        users = [n for n in conv.users if holds_tensors(n)]
        if len(users) == 1 and is_affine(self._nodes.module(users[0])):
            return users[0]
        return None

    def _is_folded(self, node: fx.Node) -> bool:
        return any(
            self._nodes.is_conv(n) and self._norm_of(n) is node for n in node.all_input_nodes
        )

    def _insides(self) -> dict[fx.Node, str]:
        """Nodes that lie between a unit's convolution and its mask, and the unit."""
        insides = {}
        for node in self._structure.graph.nodes:
            unit = self._unit_at.get(node.name)
            while unit is not None and not self._nodes.is_conv(node):
                insides[node] = unit.name
                node = node.all_input_nodes[0]
        return insides


def _alpha(node: fx.Node) -> float:
    alpha: Any = node.kwargs.get("alpha", 1)
    return float(alpha)
