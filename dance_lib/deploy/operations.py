"""What a network does between its convolutions, as ONNX operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
from torch import fx, nn

from dance_lib.deploy.convolution import ExportError
from dance_lib.deploy.graph import Graph, Value, whole
from dance_lib.deploy.maps import EVERYTHING, Map, concatenated, take
from dance_lib.deploy.pools import cell_weights
from dance_lib.executors.layer import affine, is_affine
from dance_lib.models.nodes import CONCATENATIONS, Nodes
from dance_lib.models.tracing import function_name, shape_of

Activation = Callable[[Graph, Value], Any]


def operation(graph: Graph, nodes: Nodes, node: fx.Node, values: list[Any]) -> Any:
    """The value of a node that is no convolution over a map.

    Args:
        values: of the nodes it reads, in their order: a `Map`, or a name for what is no map.

    Raises:
        ExportError: an operation that is not known here; the message names it.
    """
    module, name = nodes.module(node), function_name(node)
    first = values[0]
    if is_affine(module):
        return scaled(graph, module, first.whole(graph) if isinstance(first, Map) else first)
    if (function := activation(nodes, node)) is not None:
        if not isinstance(first, Map):
            return function(graph, first)
        x = first if nodes.keeps_zero(node) else first.whole(graph)
        return replace(x, value=function(graph, x.value))
    if nodes.is_global_mean(node):
        return _mean(graph, first, shape_of(node))
    if isinstance(module, nn.AdaptiveAvgPool3d) or name == "adaptive_avg_pool3d":
        return _adaptive_pool(graph, nodes, node, first)
    if isinstance(module, nn.MaxPool3d | nn.AvgPool3d):
        return _pool(graph, nodes, node, module, first)
    if isinstance(module, nn.Linear):
        return _linear(graph, module, first)
    if nodes.is_product(node) and len(values) == 2:
        return _product(graph, *values)
    if name in CONCATENATIONS and all(isinstance(value, Map) for value in values):
        return concatenated(graph, values)
    if isinstance(module, nn.Flatten | nn.Unflatten) or name in RESHAPES:
        return _reshaped(graph, first, shape_of(node))
    if name == "permute":
        return graph.add("Transpose", _tensor(graph, first), perm=_order(node))
    if isinstance(module, nn.Softmax) or name == "softmax":
        axis: Any = module.dim if isinstance(module, nn.Softmax) else node.kwargs.get("dim", 1)
        return graph.add("Softmax", _tensor(graph, first), axis=int(axis or 1))
    raise ExportError(f"{described(nodes, node)} has no counterpart in the export")


RESHAPES = ("flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous", "clone")


def described(nodes: Nodes, node: fx.Node) -> str:
    """A node for a message: its module's path and type, or its function."""
    module = nodes.module(node)
    if module is not None:
        return f"{str(node.target)!r} ({type(module).__name__})"
    return f"{node.name!r} ({function_name(node)})"


def activation(nodes: Nodes, node: fx.Node) -> Activation | None:
    """What an activation is in ONNX; None if the node is none.

    Raises:
        ExportError: an activation that is not known here.
    """
    if not nodes.is_activation(node):
        return None
    module = nodes.module(node)
    kind = function_name(node) if module is None else type(module).__name__
    function = ACTIVATIONS.get(kind.lower().rstrip("_").replace("_", ""))
    plain = len(node.args) == 1 and not set(node.kwargs) - {"inplace"} if module is None else True
    if function is None or not plain:
        raise ExportError(f"{described(nodes, node)} has no counterpart in the export")
    return function(module)


def _op(name: str, **attributes: Any) -> Callable[[Any], Activation]:
    return lambda module: lambda graph, x: str(graph.add(name, x, **attributes))


def _clipped(low: float, high: float) -> Callable[[Any], Activation]:
    edges = [np.array(edge, dtype=np.float32) for edge in (low, high)]
    return lambda module: lambda graph, x: str(graph.add("Clip", x, *edges))


def _silu(module: Any) -> Activation:
    return lambda graph, x: str(graph.add("Mul", x, graph.add("Sigmoid", x)))


def _hard_swish(module: Any) -> Activation:
    return lambda graph, x: str(graph.add("Mul", x, graph.add("HardSigmoid", x, alpha=1 / 6)))


def _gelu(module: Any) -> Activation:
    if getattr(module, "approximate", "none") != "none":
        raise ExportError("GELU by its tanh approximation has no counterpart in the export")

    def gelu(graph: Graph, x: Value) -> Any:
        erf = graph.add("Erf", graph.add("Mul", x, np.array(1 / sqrt(2), dtype=np.float32)))
        half = graph.add("Mul", x, np.array(0.5, dtype=np.float32))
        return graph.add("Mul", half, graph.add("Add", erf, np.array(1, dtype=np.float32)))

    return gelu


def _leaky(module: Any) -> Activation:
    return _op("LeakyRelu", alpha=getattr(module, "negative_slope", 0.01))(module)


def _elu(module: Any) -> Activation:
    return _op("Elu", alpha=getattr(module, "alpha", 1.0))(module)


ACTIVATIONS: dict[str, Callable[[Any], Activation]] = {
    "relu": _op("Relu"),
    "relu6": _clipped(0, 6),
    "leakyrelu": _leaky,
    "elu": _elu,
    "sigmoid": _op("Sigmoid"),
    "tanh": _op("Tanh"),
    "softplus": _op("Softplus"),
    "hardsigmoid": _op("HardSigmoid", alpha=1 / 6),
    "hardswish": _hard_swish,
    "silu": _silu,
    "swish": _silu,  # pytorchvideo's own
    "gelu": _gelu,
}


def mean_of_kept(graph: Graph, x: Map, shape: tuple[int, ...] | None) -> str:
    """A squeeze inside a branch: the mean over positions that the plan keeps."""
    frames, box = x.kept.frames, x.kept.box
    kept: Value = whole(x.shape[1]) if frames is None else graph.add("Shape", frames.kept)
    count = graph.add("Cast", kept, to=1)
    if box is None or box.mask is None:
        rows = whole(x.shape[2]) if box is None else graph.add("Sub", box.bottom, box.top)
        columns = whole(x.shape[3]) if box is None else graph.add("Sub", box.right, box.left)
        count = graph.add("Mul", count, graph.add("Cast", graph.add("Mul", rows, columns), to=1))
    else:
        tiles = graph.add("ReduceSum", box.mask, keepdims=0)
        count = graph.add("Mul", count, tiles)
    sums = graph.add("ReduceSum", x.value, whole(2, 3, 4), keepdims=1)
    mean = graph.add("Div", sums, count)
    flat = replace(x, value=mean).every_channel(graph).value
    return str(graph.add("Reshape", flat, _sizes(shape)))


def added(graph: Graph, sides: Sequence[Any], alpha: float) -> Any:
    """x + alpha·y of both sides; None is a branch that was dropped."""
    x, y = sides
    if y is not None and alpha != 1:
        scaled = graph.add("Mul", _tensor(graph, y), np.array(alpha, dtype=np.float32))
        y = Map(scaled, y.shape) if isinstance(y, Map) else scaled
    if x is None or y is None:
        there = y if x is None else x
        return there.whole(graph) if isinstance(there, Map) else there
    total = graph.add("Add", _tensor(graph, x), _tensor(graph, y))
    return Map(total, x.shape) if isinstance(x, Map) else total


def _tensor(graph: Graph, value: Any) -> Any:
    return value.whole(graph).value if isinstance(value, Map) else value


def _sizes(shape: tuple[int, ...] | None) -> np.ndarray:
    """Of one clip: the trace ran with two."""
    assert shape is not None
    return whole(1, *shape[1:])


def scaled(graph: Graph, norm: Any, x: Any) -> Any:
    """A batch norm in evaluation on what is stored."""
    scale, shift = (v.float().numpy().reshape(1, -1, 1, 1, 1) for v in affine(norm))
    channels = x.kept.channels if isinstance(x, Map) else None
    of_stored = (take(graph, values, channels, axis=1) for values in (scale, shift))
    value = graph.add("Mul", x.value if isinstance(x, Map) else x, next(of_stored))
    value = graph.add("Add", value, next(of_stored))
    return replace(x, value=value) if isinstance(x, Map) else value


def _mean(graph: Graph, x: Any, shape: tuple[int, ...] | None) -> str:
    mean = graph.add("ReduceMean", _tensor(graph, x), axes=[2, 3, 4], keepdims=1)
    return str(graph.add("Reshape", mean, _sizes(shape)))


def _pool(graph: Graph, nodes: Nodes, node: fx.Node, pool: Any, x: Any) -> Map:
    if not isinstance(x, Map):
        raise ExportError(f"{described(nodes, node)} pools what is no map")
    x = x.everywhere(graph)
    C, *size = nodes.map_of(node)
    shape = (C, size[0], size[1], size[2])
    strides = pool.stride if pool.stride is not None else pool.kernel_size
    common = {
        "kernel_shape": _three(pool.kernel_size),
        "strides": _three(strides),
        "pads": _three(pool.padding) * 2,
        "ceil_mode": int(pool.ceil_mode),
    }
    if isinstance(pool, nn.MaxPool3d):
        common["dilations"] = _three(pool.dilation)
        value = graph.add("MaxPool", x.value, **common)
    elif pool.divisor_override is not None or (pool.ceil_mode and pool.count_include_pad):
        raise ExportError(f"{described(nodes, node)} divides in a way that ONNX has not")
    else:
        value = graph.add(
            "AveragePool", x.value, count_include_pad=int(pool.count_include_pad), **common
        )
    return Map(value, shape, x.kept)


def _adaptive_pool(graph: Graph, nodes: Nodes, node: fx.Node, x: Map) -> Map:
    x = x.everywhere(graph)
    shape = nodes.map_of(node)
    value: Value = x.value
    for axis in (2, 3, 4):
        value = _averaged(graph, value, axis, x.shape[axis - 1], shape[axis - 1])
    return Map(value, shape, x.kept)


def _averaged(graph: Graph, value: Value, axis: int, positions: int, cells: int) -> Value:
    """Adaptive averages along one axis, by a matrix product."""
    if cells == positions:
        return value
    order = [0, 1, 2, 3, 4]
    order[axis], order[4] = 4, axis
    weights = cell_weights(positions, cells)
    last = graph.add("Transpose", value, perm=order)
    return graph.add("Transpose", graph.add("MatMul", last, weights), perm=order)


def _linear(graph: Graph, module: nn.Linear, x: Any) -> str:
    weight = module.weight.detach().float().numpy().T
    product = graph.add("MatMul", _tensor(graph, x), weight)
    if module.bias is None:
        return str(product)
    return str(graph.add("Add", product, module.bias.detach().float().numpy()))


def _product(graph: Graph, x: Any, y: Any) -> Any:
    """A map and its gates, one a channel; or two of a kind."""
    if isinstance(y, Map) and not isinstance(x, Map):
        x, y = y, x
    if isinstance(x, Map) and not isinstance(y, Map):
        gates = take(graph, y, x.kept.channels, axis=1)
        return replace(x, value=graph.add("Mul", x.value, gates))
    product = graph.add("Mul", _tensor(graph, x), _tensor(graph, y))
    return Map(product, x.shape, EVERYTHING) if isinstance(x, Map) else product


def _reshaped(graph: Graph, x: Any, shape: tuple[int, ...] | None) -> Any:
    if isinstance(x, Map) and shape is not None and tuple(shape[1:]) == x.shape:
        return x
    return graph.add("Reshape", _tensor(graph, x), _sizes(shape))


def _order(node: fx.Node) -> list[int]:
    order = node.args[1:]
    if len(order) == 1 and isinstance(order[0], list | tuple):
        order = tuple(order[0])
    axes: list[Any] = list(order)
    return [int(axis) for axis in axes]


def _three(size: Any) -> list[int]:
    return list(size) if isinstance(size, list | tuple) else [size] * 3
