"""Find stem, branches and units on a network's torch.fx graph, never by class name.

A residual addition joins two paths that fork from one node; the path with more convolutions is the
branch, the other its shortcut. A network without residual additions is plain: every convolution
after the stem is a branch of its own.
"""

import operator
from dataclasses import dataclass, field
from itertools import zip_longest
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.passes.shape_prop import ShapeProp

from dance_lib.models.structure import (
    Branch,
    Layer,
    Shape,
    Structure,
    StructureError,
    Triple,
    Unit,
    module_of,
)

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
ADDITIONS = (operator.add, operator.iadd, torch.add)
PRODUCTS = (operator.mul, operator.imul, torch.mul)
CONCATENATIONS = ("cat", "concat", "concatenate")
MEANS = (nn.AdaptiveAvgPool3d, nn.AvgPool3d)
TRANSPARENT = (nn.Identity, nn.modules.dropout._DropoutNd)
ACTIVATIONS = {
    "relu", "relu_", "relu6", "silu", "gelu", "leaky_relu", "leaky_relu_", "hardswish", "elu",
    "elu_", "selu", "celu", "mish", "hardtanh", "tanh", "tanh_", "sigmoid", "sigmoid_",
    "hardsigmoid", "softplus", "softsign",
}  # fmt: skip
ZERO_AT_ZERO = ACTIVATIONS - {"sigmoid", "sigmoid_", "hardsigmoid", "softplus"}


def find_structure(
    network: nn.Module, clip_shape: Shape, grid: int = 7, group_size: int = 8
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
    graph = _trace(network)
    _propagate_shapes(network, graph, clip_shape)
    C, T, H, W = clip_shape
    return _Analysis(network, graph, (C, T, H, W), grid, group_size).structure()


class _Tracer(fx.Tracer):
    """Keeps torch's own modules and small activations whole, and remembers where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        own = isinstance(m, (nn.Conv3d, nn.Linear, *NORMS))  # subclasses too, wherever they live
        return own or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        outside, self.inside = self.inside, self.path_of_module(m)
        one_input = len(args) == 1 and isinstance(args[0], fx.Proxy) and not kwargs
        if one_input and _is_bare(m):
            result = self.create_proxy("call_module", self.inside, args, kwargs)
        else:
            result = super().call_module(m, forward, args, kwargs)
        self.inside = outside  # not in a `finally`: an error leaves the path of its module
        return result


def _is_bare(module: nn.Module) -> bool:
    """Whether a module holds neither parameters nor other modules."""
    return next(module.parameters(), None) is None and next(module.children(), None) is None


def _trace(network: nn.Module) -> fx.Graph:
    """The graph: one for training and evaluation, since a mode would be frozen in it."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        graphs = [_trace_once(network.train(mode)) for mode in (True, False)]
    finally:
        for module, training in modes:
            module.training = training
    for node, other in zip_longest(*(graph.nodes for graph in graphs)):
        if node is None or other is None or node.format_node() != other.format_node():
            raise StructureError(
                f"{type(network).__name__} differs between training and evaluation at "
                f"{(node or other).name!r}; only modules (nn.Dropout, say) may depend on the mode"
            )
    return graphs[1]


def _trace_once(network: nn.Module) -> fx.Graph:
    tracer = _Tracer()
    try:
        graph = tracer.trace(network)
    except Exception as error:
        where = f"module {tracer.inside!r}" if tracer.inside else "the network's forward"
        raise StructureError(
            f"can't trace {type(network).__name__}: {where} ({error}). Pruning needs one clip "
            "tensor as the only input and no control flow on values"
        ) from error
    for node in graph.nodes:
        if node.op == "call_function" and node.target in (F.conv3d, F.linear):
            raise StructureError(
                f"{type(network).__name__} calls {_function_name(node)} as a function "
                f"({node.name!r}); only convolutions and linear layers that are modules are known"
            )
        if node.op == "call_method" and node.target.endswith("_") and not node.users:
            raise StructureError(
                f"{type(network).__name__} calls {node.target!r} ({node.name!r}) for its side "
                "effect; use what it returns, so that later layers are seen to read it"
            )
    inputs = [node.name for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise StructureError(
            f"{type(network).__name__} takes the inputs {', '.join(inputs)}; pruning needs one clip"
        )
    return graph


def _propagate_shapes(network: nn.Module, graph: fx.Graph, clip_shape: Shape) -> None:
    """Run the graph on fake tensors: shapes without arithmetic."""
    parameter = next(network.parameters(), torch.empty(0))
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        clip = torch.empty(2, *clip_shape, dtype=parameter.dtype, device=parameter.device)
        try:
            ShapeProp(fx.GraphModule(network, graph), fake_mode=fake).propagate(clip)
        except RuntimeError as error:
            raise StructureError(
                f"{type(network).__name__} can't take clips of {tuple(clip_shape)}: {error}"
            ) from error
    given = _shape(next(reversed(graph.nodes)))
    if given is None or len(given) != 2:
        raise StructureError(
            f"{type(network).__name__} gives {given or 'no single tensor'}, not logits (N, classes)"
        )


def _shape(node: fx.Node) -> tuple[int, ...] | None:
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if meta is not None and hasattr(meta, "shape") else None


def _holds_tensors(node: fx.Node) -> bool:
    """Whether a value is a tensor, or several, and not a size or another number."""
    return "tensor_meta" in node.meta


def _function_name(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


@dataclass
class _Analysis:
    network: nn.Module
    graph: fx.Graph
    clip_shape: Shape
    grid: int
    group_size: int
    pooled: set[fx.Node] = field(default_factory=set)  # 1×1×1 maps that come from a global pool
    scales: dict[fx.Node, Triple] = field(default_factory=dict)  # strides from the clip to each map

    def structure(self) -> Structure:
        self._find_pooled()
        self._find_scales()
        stem_conv = self._first_convolution()
        stem = self._end_of_layer(stem_conv)
        branches = self._residual_branches(stem)
        droppable = bool(branches)
        if not branches:
            after = self._after(stem)
            branches = [[n] for n in self.graph.nodes if n in after and self._is_prunable(n)]
        if not branches:
            raise StructureError(
                f"{type(self.network).__name__} has no 3D convolution after its stem "
                f"{stem_conv.target!r}: nothing to prune"
            )
        units, named = self._units(branches, droppable)
        return Structure(
            graph=self.graph,
            clip_shape=self.clip_shape,
            stem=stem.name,
            stem_shape=self._map(stem),
            units=units,
            branches=named,
            others=self._others(units),
            pools=self._pools(units),
            group_size=self.group_size,
        )

    # ------------------------------------------------------------------ what a node is
    def _module(self, node: fx.Node) -> nn.Module | None:
        return module_of(self.network, node)

    def _is_conv(self, node: fx.Node) -> bool:
        return isinstance(self._module(node), nn.Conv3d)

    def _is_prunable(self, node: fx.Node) -> bool:
        return self._is_conv(node) and node.all_input_nodes[0] not in self.pooled

    def _is_norm(self, node: fx.Node) -> bool:
        return isinstance(self._module(node), NORMS)

    def _is_activation(self, node: fx.Node) -> bool:
        module = self._module(node)
        if module is None:
            return node.op != "output" and _function_name(node) in ACTIVATIONS
        if isinstance(module, TRANSPARENT) or self._is_norm(node):
            return False
        if len(node.all_input_nodes) != 1 or _shape(node) != _shape(node.all_input_nodes[0]):
            return False
        pool = "Pool" in type(module).__name__
        return isinstance(module, nn.PReLU) or (_is_bare(module) and not pool)

    def _keeps_zero(self, node: fx.Node) -> bool:
        """Whether a zero channel is still zero behind this node."""
        module = self._module(node)
        if isinstance(module, TRANSPARENT) or "Pool" in type(module).__name__:
            return True
        if self._is_activation(node):
            if module is None:
                return _function_name(node) in ZERO_AT_ZERO
            if isinstance(module, nn.PReLU):
                return True
            return bool((module(torch.zeros(1, 1, 1, 1, 1)) == 0).all())
        return module is None and _function_name(node) in ("max_pool3d", "avg_pool3d")

    def _map(self, node: fx.Node) -> Shape:
        shape = _shape(node)
        if shape is None or len(shape) != 5:
            raise StructureError(f"{node.target!r} gives no (N, C, T, H, W) map but {shape}")
        return shape[1], shape[2], shape[3], shape[4]

    def _is_global_mean(self, node: fx.Node) -> bool:
        inputs, shape = node.all_input_nodes, _shape(node)
        before = _shape(inputs[0]) if len(inputs) == 1 else None
        if before is None or shape is None or len(before) != 5:
            return False
        if shape not in ((*before[:2], 1, 1, 1), before[:2]):
            return False
        module = self._module(node)
        return isinstance(module, MEANS) or (
            module is None and _function_name(node) in ("mean", "adaptive_avg_pool3d", "avg_pool3d")
        )

    def _find_pooled(self) -> None:
        for node in self.graph.nodes:
            inputs = [n for n in node.all_input_nodes if _shape(n) is not None]
            if self._is_global_mean(node) or (inputs and all(n in self.pooled for n in inputs)):
                self.pooled.add(node)

    def _find_scales(self) -> None:
        for node in self.graph.nodes:
            shape, module = _shape(node), self._module(node)
            if shape is None or len(shape) != 5:
                continue
            inputs = [n for n in node.all_input_nodes if n in self.scales and n not in self.pooled]
            stride: Any = getattr(module, "stride", None)
            if stride is None:  # no window that moves: read off the sizes
                before = self._map(inputs[0])[1:] if inputs else shape[2:]
                stride = [max(1, int(a / b + 0.5)) for a, b in zip(before, shape[2:], strict=True)]
            stride = [stride] * 3 if isinstance(stride, int) else stride
            scales = [self.scales[n] for n in inputs] or [(1, 1, 1)]
            self.scales[node] = _triple(max(s[i] for s in scales) * stride[i] for i in range(3))

    # ------------------------------------------------------------------ stem
    def _first_convolution(self) -> fx.Node:
        for node in self.graph.nodes:
            if self._is_conv(node):
                return node
        raise StructureError(f"{type(self.network).__name__} has no 3D convolution")

    def _end_of_layer(self, conv: fx.Node) -> fx.Node:
        """Last node of a convolution (a factorised stem: several), its norm and its activation.

        Norm and activation may come in either order.
        """
        node = conv
        seen: set[str] = set()
        while len(users := [*filter(_holds_tensors, node.users)]) == 1 and len(seen) < 2:
            following = users[0]
            if isinstance(self._module(following), nn.Identity):
                pass
            elif self._is_norm(following) and "norm" not in seen:
                seen.add("norm")
            elif self._is_activation(following) and "activation" not in seen:
                seen.add("activation")
            elif seen or not self._is_conv(following) or conv is not self._first_convolution():
                break
            node = following
        return node

    # ------------------------------------------------------------------ branches
    def _before(self, node: fx.Node) -> set[fx.Node]:
        """The node and everything its values depend on; a size that it asks for does not count."""
        found, todo = set(), [node]
        while todo:
            current = todo.pop()
            if current not in found:
                found.add(current)
                todo += filter(_holds_tensors, current.all_input_nodes)
        return found

    def _after(self, node: fx.Node) -> set[fx.Node]:
        """Everything that depends on the node."""
        found: set[fx.Node] = set()
        todo = list(node.users)
        while todo:
            current = todo.pop()
            if current not in found:
                found.add(current)
                todo += filter(_holds_tensors, current.users)
        return found

    def _residual_branches(self, stem: fx.Node) -> list[list[fx.Node]]:
        """Prunable convolutions of each branch, in order of execution."""
        after_stem = self._after(stem) | {stem}
        branches: list[list[fx.Node]] = []
        taken: dict[fx.Node, fx.Node] = {}
        for add in self.graph.nodes:
            if add.target in ADDITIONS or add.target in ("add", "add_"):
                sides = [n for n in add.all_input_nodes if n in after_stem]
                if len(sides) != 2:
                    continue  # a constant, a parameter, or x + x: no residual stream
                region = self._branch_region(add, *sides)
                for node in region:
                    if node in taken:
                        raise StructureError(
                            f"the additions {taken[node].name!r} and {add.name!r} are nested "
                            f"(both hold {node.target!r}); pruning needs one residual stream"
                        )
                    taken[node] = add
                convs = [n for n in self.graph.nodes if n in region and self._is_prunable(n)]
                if convs:
                    branches.append(convs)
                    self._check_adds_nothing(add, region, convs)
        return branches

    def _check_adds_nothing(self, add: fx.Node, region: set[fx.Node], convs: list[fx.Node]) -> None:
        """Refuse a branch that is not zero where all its units are: it could not be dropped."""
        ends = {self._end_of_layer(conv) for conv in convs}

        def leak(node: fx.Node) -> fx.Node | None:
            """What makes a node's value other than zero; None if nothing does."""
            if node in ends:
                return None
            leaks = [leak(n) for n in node.all_input_nodes if n in region] or [node]
            if node.target in PRODUCTS or node.target in ("mul", "mul_"):
                return leaks[0] if all(leaks) else None
            joins = _function_name(node) in CONCATENATIONS and len(leaks) == len(
                node.all_input_nodes
            )
            return next((n for n in leaks if n), None) if joins or self._keeps_zero(node) else node

        culprit = next((leak(n) for n in add.all_input_nodes if n in region), None)
        if culprit is not None:
            raise StructureError(
                f"the branch that ends at {add.name!r} passes {culprit.target!r} behind its last "
                "unit, which does not keep zeros: a dropped branch would still add something"
            )

    def _branch_region(self, add: fx.Node, left: fx.Node, right: fx.Node) -> set[fx.Node]:
        before_left, before_right = self._before(left), self._before(right)
        regions = [before_left - before_right, before_right - before_left]
        counts = [sum(self._is_prunable(n) for n in region) for region in regions]
        if counts[0] == counts[1] and counts[0] > 0:
            convs = [
                n for n in self.graph.nodes if n in regions[0] | regions[1] and self._is_conv(n)
            ]
            raise StructureError(
                f"the addition {add.name!r} joins two paths of {counts[0]} convolutions each "
                f"({', '.join(str(n.target) for n in convs)}): which is the branch?"
            )
        region = regions[0] if counts[0] > counts[1] else regions[1]
        for node in region:
            for user in node.users:
                if user is not add and user not in region and _holds_tensors(user):
                    raise StructureError(
                        f"{node.target!r} lies in the branch that ends at {add.name!r} but is also "
                        f"read by {user.target!r}: pruning it would change the residual stream"
                    )
        return region

    # ------------------------------------------------------------------ units
    def _units(
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
            size = self._map(self._end_of_layer(convs[-1]))[1:]
            cells = (min(self.grid, size[1]), min(self.grid, size[2]))
            named[name] = Branch(name, tuple(paths), size, cells, droppable)
            branch_of |= dict.fromkeys(convs, name)
            ends[name] = self.scales[convs[-1]]

        units: dict[str, Unit] = {}
        end_of = {self._end_of_layer(conv): str(conv.target) for conv in branch_of}
        sources: dict[fx.Node, tuple[tuple[str | None, int], ...]] = {}
        for node in self.graph.nodes:
            if node in branch_of:
                name = branch_of[node]
                strides = [b // a for a, b in zip(self.scales[node], ends[name], strict=True)]
                unit = self._unit(node, name, sources[node.all_input_nodes[0]], _triple(strides))
                if unit.name in units:
                    raise StructureError(f"{unit.name!r} runs twice; a shared unit can't be pruned")
                units[unit.name] = unit
            elif str(node.target) in units and self._is_conv(node):
                raise StructureError(f"{node.target!r} runs twice; a shared unit can't be pruned")
            shape = _shape(node)
            if shape is not None and len(shape) == 5:
                sources[node] = self._sources(node, end_of, sources)
        return units, named

    def _sources(self, node: fx.Node, end_of: Any, sources: Any) -> Any:
        """Units that the channels of a node's value come from."""
        channels = self._map(node)[0]
        if node in end_of:
            return ((end_of[node], channels),)
        inputs = [n for n in node.all_input_nodes if n in sources]
        if _function_name(node) in CONCATENATIONS and len(inputs) > 1:
            joined = tuple(part for n in inputs for part in sources[n])
            if sum(count for _, count in joined) == channels:
                return joined
        if node.target in PRODUCTS or node.target in ("mul", "mul_"):
            inputs = [n for n in inputs if n not in self.pooled]  # a gate scales, it opens nothing
            if len(set(inputs)) == 1 and self._map(inputs[0]) == self._map(node):
                return sources[inputs[0]]
        if len(inputs) == 1 and self._map(inputs[0])[0] == channels and self._keeps_zero(node):
            return sources[inputs[0]]
        return ((None, channels),)

    def _unit(self, conv: fx.Node, branch: str, sources: Any, to_output: Triple) -> Unit:
        module = self._module(conv)
        assert isinstance(module, nn.Conv3d)
        name = str(conv.target)
        if isinstance(module.padding, str) or module.padding_mode != "zeros":
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
            node=self._end_of_layer(conv).name,
            in_shape=self._map(conv.all_input_nodes[0]),
            out_shape=self._map(conv),
            to_output=to_output,
            kernel=_triple(module.kernel_size),
            stride=_triple(module.stride),
            padding=_triple(module.padding),
            dilation=_triple(module.dilation),
            groups=module.groups,
            sources=sources,
            shares=shares,
            prunable_channels=prunable,
            weights=sum(p.numel() for p in module.parameters()),
        )

    # ------------------------------------------------------------------ everything else
    def _others(self, units: dict[str, Unit]) -> tuple[Layer, ...]:
        layers = []
        for node in self.graph.nodes:
            module = self._module(node)
            if not isinstance(module, nn.Conv3d | nn.Linear) or str(node.target) in units:
                continue
            read, written = _shape(node.all_input_nodes[0]), _shape(node)
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

    def _pools(self, units: dict[str, Unit]) -> dict[str, str]:
        """Global average pools that read a unit's masked output inside its branch."""
        pools = {}
        owner = {unit.node: unit for unit in units.values()}
        for node in self.graph.nodes:
            if self._is_global_mean(node):
                source = node.all_input_nodes[0]
                while source.name not in owner and self._keeps_zero(source):
                    source = source.all_input_nodes[0]
                unit = owner.get(source.name)
                if unit is not None and self._rejoins(node, unit):
                    pools[node.name] = unit.name
        return pools

    def _rejoins(self, pool: fx.Node, unit: Unit) -> bool:
        """A squeeze ends in a product with an unpooled map; a classifier's pool does not."""
        return any(
            (node.target in PRODUCTS or node.target in ("mul", "mul_"))
            and any(n not in self.pooled for n in node.all_input_nodes if _shape(n) is not None)
            for node in self._after(pool)
            if any(n in self.pooled for n in node.all_input_nodes)
        )


def _triple(values: Any) -> Triple:
    t, h, w = values
    return int(t), int(h), int(w)


def _common_path(paths: list[str]) -> str:
    """Longest module path that all of them share."""
    shared = []
    for parts in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared) or paths[0]
