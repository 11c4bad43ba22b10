"""What the nodes of a traced network are: convolutions, norms, activations, pools, products."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import fx, nn

from dance_lib.models.structure import Shape, StructureError, Triple, module_of
from dance_lib.models.tracing import NORMS, function_name, holds_tensors, is_bare, shape_of

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


class Nodes:
    """A network's graph, and what its nodes are.

    Attributes:
        pooled: nodes of 1×1×1 maps that come from a global pool.
        scales: strides (T, H, W) from the clip to each map.
    """

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        self.network = network
        self.graph = graph
        self.pooled: set[fx.Node] = set()
        self.scales: dict[fx.Node, Triple] = {}
        self._find_pooled()
        self._find_scales()

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module it runs, None for functions."""
        return module_of(self.network, node)

    def is_conv(self, node: fx.Node) -> bool:
        """Whether it is a 3D convolution."""
        return isinstance(self.module(node), nn.Conv3d)

    def is_prunable(self, node: fx.Node) -> bool:
        """Whether it is a convolution over a map, not over what a global pool left."""
        return self.is_conv(node) and node.all_input_nodes[0] not in self.pooled

    def is_map(self, node: fx.Node) -> bool:
        """Whether its value is an (N, C, T, H, W) map, and not what a global pool left."""
        shape = shape_of(node)
        return shape is not None and len(shape) == 5 and node not in self.pooled

    def is_norm(self, node: fx.Node) -> bool:
        """Whether it is a norm."""
        return isinstance(self.module(node), NORMS)

    def is_activation(self, node: fx.Node) -> bool:
        """Whether it is an activation, as a module or a function."""
        module = self.module(node)
        if module is None:
            return node.op != "output" and function_name(node) in ACTIVATIONS
        if isinstance(module, TRANSPARENT) or self.is_norm(node):
            return False
        if len(node.all_input_nodes) != 1 or shape_of(node) != shape_of(node.all_input_nodes[0]):
            return False
        pool = "Pool" in type(module).__name__
        return isinstance(module, nn.PReLU) or (is_bare(module) and not pool)

    def keeps_zero(self, node: fx.Node) -> bool:
        """Whether a zero channel is still zero behind this node."""
        module = self.module(node)
        if isinstance(module, TRANSPARENT) or "Pool" in type(module).__name__:
            return True
        if self.is_activation(node):
            if module is None:
                return function_name(node) in ZERO_AT_ZERO
            if isinstance(module, nn.PReLU):
                return True
            return bool((module(torch.zeros(1, 1, 1, 1, 1)) == 0).all())
        return module is None and function_name(node) in ("max_pool3d", "avg_pool3d")

    def map_of(self, node: fx.Node) -> Shape:
        """(C, T, H, W) of its value."""
        shape = shape_of(node)
        if shape is None or len(shape) != 5:
            raise StructureError(f"{node.target!r} gives no (N, C, T, H, W) map but {shape}")
        return shape[1], shape[2], shape[3], shape[4]

    def is_global_mean(self, node: fx.Node) -> bool:
        """Whether it averages whole maps to one position."""
        inputs, shape = node.all_input_nodes, shape_of(node)
        before = shape_of(inputs[0]) if len(inputs) == 1 else None
        if before is None or shape is None or len(before) != 5:
            return False
        if shape not in ((*before[:2], 1, 1, 1), before[:2]):
            return False
        module = self.module(node)
        return isinstance(module, MEANS) or (
            module is None and function_name(node) in ("mean", "adaptive_avg_pool3d", "avg_pool3d")
        )

    def is_product(self, node: fx.Node) -> bool:
        """Whether it multiplies two values."""
        return node.target in PRODUCTS or node.target in ("mul", "mul_")

    def first_convolution(self) -> fx.Node:
        """The convolution that the stem begins with."""
        for node in self.graph.nodes:
            if self.is_conv(node):
                return node
        raise StructureError(f"{type(self.network).__name__} has no 3D convolution")

    def end_of_layer(self, conv: fx.Node) -> fx.Node:
        """Last node of a convolution (a factorised stem: several), its norm and its activation.

        Norm and activation may come in either order.
        """
        node = conv
        seen: set[str] = set()
        while len(users := [*filter(holds_tensors, node.users)]) == 1 and len(seen) < 2:
            following = users[0]
            if isinstance(self.module(following), nn.Identity):
                pass
            elif self.is_norm(following) and "norm" not in seen:
                seen.add("norm")
            elif self.is_activation(following) and "activation" not in seen:
                seen.add("activation")
            elif seen or not self.is_conv(following) or conv is not self.first_convolution():
                break
            node = following
        return node

    def _find_pooled(self) -> None:
        for node in self.graph.nodes:
            inputs = [n for n in node.all_input_nodes if shape_of(n) is not None]
            if self.is_global_mean(node) or (inputs and all(n in self.pooled for n in inputs)):
                self.pooled.add(node)

    def _find_scales(self) -> None:
        for node in self.graph.nodes:
            shape, module = shape_of(node), self.module(node)
            if shape is None or len(shape) != 5:
                continue
            inputs = [n for n in node.all_input_nodes if n in self.scales and n not in self.pooled]
            stride: Any = getattr(module, "stride", None)
            if stride is None:  # no window that moves: read off the sizes
                before = self.map_of(inputs[0])[1:] if inputs else shape[2:]
                stride = [max(1, int(a / b + 0.5)) for a, b in zip(before, shape[2:], strict=True)]
            stride = [stride] * 3 if isinstance(stride, int) else stride
            scales = [self.scales[n] for n in inputs] or [(1, 1, 1)]
            self.scales[node] = triple(max(s[i] for s in scales) * stride[i] for i in range(3))


def overwrites(network: nn.Module, node: fx.Node) -> bool:
    """Whether a node works in place, on the first value that it reads."""
    return bool(
        (node.op == "call_method" and str(node.target).endswith("_"))
        or node.target in (operator.iadd, operator.imul)
        or node.kwargs.get("inplace")
        or getattr(module_of(network, node), "inplace", False)
    )


def pads_by_zeros(conv: Any) -> bool:
    """Whether a convolution's padding is given as numbers and is zeros."""
    return not isinstance(conv.padding, str) and conv.padding_mode == "zeros"


def is_plain(conv: Any) -> bool:
    """Whether a convolution does what its weights say: its forward is PyTorch's, padding zeros."""
    return type(conv).forward is nn.Conv3d.forward and pads_by_zeros(conv)


def before(node: fx.Node) -> set[fx.Node]:
    """The node and everything its values depend on; a size that it asks for does not count."""
    return _reached([node], lambda n: n.all_input_nodes)


def after(node: fx.Node) -> set[fx.Node]:
    """Everything that depends on the node."""
    return _reached(list(node.users), lambda n: n.users)


def _reached(
    todo: list[fx.Node], neighbours: Callable[[fx.Node], Iterable[fx.Node]]
) -> set[fx.Node]:
    """The nodes of `todo` and all that are reached from them through values."""
    found: set[fx.Node] = set()
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += filter(holds_tensors, neighbours(current))
    return found


def triple(values: Any) -> Triple:
    """Three whole numbers."""
    t, h, w = values
    return int(t), int(h), int(w)
