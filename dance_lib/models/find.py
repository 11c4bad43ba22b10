"""Find stem, branches and units on a network's torch.fx graph, never by class name.

A network without residual additions is plain: every convolution after the stem is a branch of its
own.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import fx, nn

from dance_lib.arguments import Size, checked
from dance_lib.models.nodes import CONCATENATIONS, Nodes, after, pads_by_zeros, triple
from dance_lib.models.residual import residual_branches
from dance_lib.models.structure import (
    Branch,
    Layer,
    Shape,
    Structure,
    StructureError,
    Triple,
    Unit,
)
from dance_lib.models.tracing import function_name, shape_of, trace


@checked
def find_structure(
    network: nn.Module, clip_shape: Shape, grid: Size = 7, group_size: Size = 8
) -> Structure:
    """Trace a network and name its stem, branches and units.

    Args:
        network: clip (N, C, T, H, W) -> logits; one input, no control flow on values.
        clip_shape: (C, T, H, W) of one clip.
        grid: cells along each side of the tile grid; a smaller map has a cell a position.
        group_size: consecutive channels that are kept or dropped together.

    Raises:
        StructureError: the network can't be traced, has no 3D convolution, or holds a residual
            addition that can't be told apart; the message names the module.
    """
    C, T, H, W = clip_shape
    nodes = Nodes(network, trace(network, clip_shape))
    stem = nodes.end_of_layer(nodes.first_convolution())
    branches = residual_branches(nodes, stem)
    droppable = bool(branches)
    if not branches:
        behind = after(stem)
        branches = [[n] for n in nodes.graph.nodes if n in behind and nodes.is_prunable(n)]
    if not branches:
        raise StructureError(
            f"{type(network).__name__} has no 3D convolution after its stem "
            f"{nodes.first_convolution().target!r}: nothing to prune"
        )
    finder = _Finder(nodes, grid)
    units, named = finder.units(branches, droppable)
    return Structure(
        graph=nodes.graph,
        clip_shape=(C, T, H, W),
        classes=_classes(nodes.graph),
        stem=stem.name,
        stem_shape=nodes.map_of(stem),
        units=units,
        branches=named,
        others=finder.others(units),
        pools=finder.pools(units),
        group_size=group_size,
    )


def _classes(graph: fx.Graph) -> int:
    logits = shape_of(graph.output_node())
    assert logits is not None  # or `trace` had refused it
    return logits[1]


@dataclass
class _Finder:
    nodes: Nodes
    grid: int

    def units(
        self, branches: list[list[fx.Node]], droppable: bool
    ) -> tuple[dict[str, Unit], dict[str, Branch]]:
        branch_of: dict[fx.Node, str] = {}
        named: dict[str, Branch] = {}
        ends: dict[str, Triple] = {}
        for convs in branches:
            paths = [str(n.target) for n in convs]
            name = _common_path(paths) if len(paths) > 1 else paths[0]
            while name in named:
                name += "'"
            size = self.nodes.map_of(self.nodes.end_of_layer(convs[-1]))[1:]
            cells = (min(self.grid, size[1]), min(self.grid, size[2]))
            named[name] = Branch(name, tuple(paths), size, cells, droppable)
            branch_of |= dict.fromkeys(convs, name)
            ends[name] = self.nodes.scales[convs[-1]]

        units: dict[str, Unit] = {}
        end_of = {self.nodes.end_of_layer(conv): str(conv.target) for conv in branch_of}
        sources: dict[fx.Node, tuple[tuple[str | None, int], ...]] = {}
        for node in self.nodes.graph.nodes:
            if node in branch_of:
                name = branch_of[node]
                strides = [b // a for a, b in zip(self.nodes.scales[node], ends[name], strict=True)]
                unit = self._unit(node, name, sources[node.all_input_nodes[0]], triple(strides))
                if unit.name in units:
                    raise StructureError(f"{unit.name!r} runs twice; a shared unit can't be pruned")
                units[unit.name] = unit
            elif str(node.target) in units and self.nodes.is_conv(node):
                raise StructureError(f"{node.target!r} runs twice; a shared unit can't be pruned")
            shape = shape_of(node)
            if shape is not None and len(shape) == 5:
                sources[node] = self._sources(node, end_of, sources)
        return units, named

    def _sources(self, node: fx.Node, end_of: Any, sources: Any) -> Any:
        """Units that the channels of a node's value come from."""
        channels = self.nodes.map_of(node)[0]
        if node in end_of:
            return ((end_of[node], channels),)
        inputs = [n for n in node.all_input_nodes if n in sources]
        if function_name(node) in CONCATENATIONS and len(inputs) > 1:
            joined = tuple(part for n in inputs for part in sources[n])
            if sum(count for _, count in joined) == channels:
                return joined
        if self.nodes.is_product(node):
            # A gate scales, it opens nothing.
            inputs = [n for n in inputs if n not in self.nodes.pooled]
            if len(set(inputs)) == 1 and self.nodes.map_of(inputs[0]) == self.nodes.map_of(node):
                return sources[inputs[0]]
        if (
            len(inputs) == 1
            and self.nodes.map_of(inputs[0])[0] == channels
            and self.nodes.keeps_zero(node)
        ):
            return sources[inputs[0]]
        return ((None, channels),)

    def _unit(self, conv: fx.Node, branch: str, sources: Any, to_output: Triple) -> Unit:
        module = self.nodes.module(conv)
        assert isinstance(module, nn.Conv3d)
        name = str(conv.target)
        if not pads_by_zeros(module):
            raise StructureError(
                f"{name!r} pads by {module.padding!r}, mode {module.padding_mode!r}; "
                "units need explicit zero padding"
            )
        shares, prunable = None, True
        if module.groups > 1:
            whole = len(sources) == 1 and sources[0][0] is not None
            square = module.in_channels == module.out_channels
            shares = sources[0][0] if whole and square else None
            prunable = shares is not None
        return Unit(
            name=name,
            branch=branch,
            node=self.nodes.end_of_layer(conv).name,
            in_shape=self.nodes.map_of(conv.all_input_nodes[0]),
            out_shape=self.nodes.map_of(conv),
            to_output=to_output,
            kernel=triple(module.kernel_size),
            stride=triple(module.stride),
            padding=triple(module.padding),
            dilation=triple(module.dilation),
            groups=module.groups,
            sources=sources,
            shares=shares,
            prunable_channels=prunable,
            weights=sum(p.numel() for p in module.parameters()),
        )

    def others(self, units: dict[str, Unit]) -> tuple[Layer, ...]:
        layers = []
        for node in self.nodes.graph.nodes:
            module = self.nodes.module(node)
            if not isinstance(module, nn.Conv3d | nn.Linear) or str(node.target) in units:
                continue
            read, written = shape_of(node.all_input_nodes[0]), shape_of(node)
            assert read is not None
            assert written is not None
            each = module.weight.numel() // (
                module.out_channels if isinstance(module, nn.Conv3d) else module.out_features
            )
            layers.append(
                Layer(
                    name=str(node.target),
                    macs=prod(written[1:]) * each,
                    weights=sum(p.numel() for p in module.parameters()),
                    inputs=prod(read[1:]),
                    outputs=prod(written[1:]),
                )
            )
        return tuple(layers)

    def pools(self, units: dict[str, Unit]) -> dict[str, str]:
        """Global average pools that read a unit's masked output inside its branch."""
        pools = {}
        owner = {unit.node: unit for unit in units.values()}
        for node in self.nodes.graph.nodes:
            if self.nodes.is_global_mean(node):
                source = node.all_input_nodes[0]
                while source.name not in owner and self.nodes.keeps_zero(source):
                    source = source.all_input_nodes[0]
                unit = owner.get(source.name)
                if unit is not None and self._rejoins(node):
                    pools[node.name] = unit.name
        return pools

    def _rejoins(self, pool: fx.Node) -> bool:
        """A squeeze ends in a product with an unpooled map; a classifier's pool does not."""
        return any(
            self.nodes.is_product(node)
            and any(
                n not in self.nodes.pooled for n in node.all_input_nodes if shape_of(n) is not None
            )
            for node in after(pool)
            if any(n in self.nodes.pooled for n in node.all_input_nodes)
        )


def _common_path(paths: list[str]) -> str:
    """Longest module path that all of them share."""
    shared = []
    for parts in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared) or paths[0]
