"""What a network does between its convolutions, on rows.

Whatever is not known here runs as PyTorch has it, on whole maps in float32.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from math import prod
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from dance_lib.executors.layer import Kept, affine, is_affine
from dance_lib.executors.rows import Rows, as_floats, padded, wide
from dance_lib.models.nodes import CONCATENATIONS, Nodes
from dance_lib.models.tracing import function_name, shape_of

Operation = Callable[..., Any]  # takes and gives Rows for maps, else what PyTorch has


def operation(nodes: Nodes, node: fx.Node, dtype: torch.dtype) -> Operation:
    """What computes a node from the values of the nodes it reads, in their order.

    Args:
        nodes: the network's graph.
        node: no convolution over a map.
        dtype: of the rows.
    """
    reads = node.all_input_nodes
    maps = [nodes.is_map(n) for n in reads]
    module = nodes.module(node)
    if maps == [True]:
        if nodes.is_global_mean(node):
            return lambda x: _mean(x, shape_of(node))
        if single := pointwise(nodes, node):
            keeps_zero = nodes.keeps_zero(node)
            return lambda x: single(x if keeps_zero else _whole(x))
        if isinstance(module, nn.MaxPool3d):
            return lambda x: _pool(x, module)
    elif nodes.is_product(node) and maps == [True, False] and _by_channel(reads[1]):
        return _gate
    elif len(maps) > 1 and all(maps) and _joins_channels(node):
        return lambda *parts: concatenate(parts)
    return as_pytorch(nodes, node, dtype)


def pointwise(nodes: Nodes, node: fx.Node) -> Callable[[Rows], Rows] | None:
    """What an activation or a norm does to what is stored; None if it needs other positions."""
    module = nodes.module(node)
    if is_affine(module):
        scale, shift = (values.float() for values in affine(module))
        return lambda x: scale_and_shift(x, scale, shift)
    function = _elementwise(nodes, node)
    return None if function is None else lambda x: activate(x, function)


def activate(x: Rows, function: Callable[[Tensor], Tensor]) -> Rows:
    """Apply a function of single values to what is stored."""
    return replace(x, buffer=function(x.buffer.clone()), nonnegative=False)


def scale_and_shift(x: Rows, scale: Tensor, shift: Tensor) -> Rows:
    """Multiply and add one number a channel (C,), where something is stored."""
    if x.channels is not None:
        index = torch.from_numpy(x.channels).long()
        scale, shift = scale[index], shift[index]
    buffer = torch.zeros_like(x.buffer)
    buffer[:, : x.columns] = x.values.float() * scale + shift
    return replace(x, buffer=buffer, nonnegative=False)


def concatenate(parts: tuple[Rows, ...]) -> Rows:
    """Join maps by their channels, at every position; dropped channels stay left out."""
    spread = [part.spread() for part in parts]
    total = sum(part.channels_total for part in spread)
    channels = None
    if any(part.channels is not None for part in spread):
        first = np.cumsum([0, *(part.channels_total for part in spread)])
        kept = [
            np.arange(part.channels_total, dtype=np.int32)
            if part.channels is None
            else part.channels
            for part in spread
        ]
        channels = np.concatenate([k + f for k, f in zip(kept, first, strict=False)])
        channels = channels.astype(np.int32)
    joined = wide(torch.cat([part.values for part in spread], dim=1))
    return Rows(
        joined, total, spread[0].size, channels=channels,
        nonnegative=all(part.nonnegative for part in spread),
    )  # fmt: skip


def add(x: Rows | None, y: Rows | None, alpha: float = 1.0) -> Rows:
    """x + alpha·y on whole maps; None is a branch that was dropped."""
    if y is not None and alpha != 1:
        y = activate(y, lambda values: values * alpha)
    present = [_whole(part) for part in (x, y) if part is not None]
    total = present[0].buffer + present[1].buffer if len(present) == 2 else present[0].buffer
    return replace(present[0], buffer=total, nonnegative=False)


def select(x: Rows, kept: Kept) -> Rows:
    """Leave out what is not kept of a whole map."""
    channels = None if kept.channels is None else torch.from_numpy(kept.channels).long()
    y = Rows(x.buffer, x.channels_total, x.size, kept.frames, kept.places, kept.channels)
    values = x.values[torch.from_numpy(y.positions()).long()]
    values = values if channels is None else values[:, channels]
    y.buffer = values.new_zeros(len(values), padded(values.shape[1]))
    y.buffer[:, : values.shape[1]] = values
    return y


def zero_dropped(x: Rows, kept: Kept) -> Rows:
    """Zero the columns of dropped channels, which what follows a convolution may have opened."""
    if kept.channels is None:
        return x
    keep = as_floats(kept.channels, x.channels_total)[: x.channels_total]
    return scale_and_shift(x, keep, torch.zeros(x.channels_total))


def _whole(x: Rows) -> Rows:
    return x.spread().every_channel()


def _mean(x: Rows, shape: tuple[int, ...] | None) -> Tensor:
    """(1, C, 1, 1, 1), or (1, C) as the network has it."""
    assert shape is not None
    count = prod(x.size)
    mean = torch.zeros(x.channels_total)
    sums = x.values.sum(0, dtype=torch.float32) / count
    if x.channels is None:
        mean[:] = sums
    else:
        mean[torch.from_numpy(x.channels).long()] = sums
    return mean.reshape(1, *shape[1:])


def _gate(x: Rows, gate: Tensor) -> Rows:
    """Multiply each channel by its gate (1, C, 1, 1, 1)."""
    gates = gate.reshape(-1)
    return scale_and_shift(x, gates.expand(x.channels_total), torch.zeros(x.channels_total))


def _pool(x: Rows, pool: nn.MaxPool3d) -> Rows:
    """A dropped channel is zero in every window and stays left out; a dropped position is not."""
    x = x if x.columns else x.every_channel()  # PyTorch pools no empty maps
    pooled = Rows.of(pool(x.spread().view()))
    return replace(
        pooled, channels_total=x.channels_total, channels=x.channels, nonnegative=x.nonnegative
    )


def _elementwise(nodes: Nodes, node: fx.Node) -> Callable[[Tensor], Tensor] | None:
    """The function of single values that an activation is; None if it is none."""
    if not nodes.is_activation(node):
        return None
    module = own(nodes, node)
    if module is None:
        name, target = function_name(node), node.target
        others = {k: v for k, v in node.kwargs.items() if k != "inplace"}
        if len(node.args) > 1:
            return None
        if isinstance(target, str):
            return lambda x: getattr(x, name)(**others)
        return lambda x: target(x, **others)
    # A shift of frames or channels has no parameters either, but is no function of single values:
    # it depends on the map, or on how many values there are.
    shape = nodes.map_of(node)
    probe = torch.linspace(-3, 3, prod(shape))
    half = prod(shape) // 2
    try:
        with torch.no_grad():
            mapped = module(probe.reshape(1, *shape).clone()).flatten()
            same = torch.allclose(mapped[:half], module(probe[:half, None].clone()).flatten())
    except (RuntimeError, IndexError, ValueError):
        return None
    if isinstance(module, nn.PReLU):  # its slope is float32
        return lambda x: module(x.float()).to(x.dtype)
    return module if same else None


def as_pytorch(nodes: Nodes, node: fx.Node, dtype: torch.dtype) -> Operation:
    """Run the node itself."""
    module = own(nodes, node)
    gives_map = nodes.is_map(node)
    constant = None
    if node.op == "get_attr":
        constant = copy.deepcopy(attrgetter(str(node.target))(nodes.network))

    def run(*inputs: Any) -> Any:
        maps = (_as_tensor(x) if isinstance(x, Rows) else x for x in inputs)
        values = dict(zip(node.all_input_nodes, maps, strict=True))
        args = fx.map_arg(node.args, lambda n: values[n])
        kwargs = fx.map_arg(node.kwargs, lambda n: values[n])
        if module is not None:
            result = module(*args, **kwargs)
        elif node.op == "call_method":
            result = getattr(args[0], str(node.target))(*args[1:], **kwargs)
        elif node.op == "get_attr":
            result = constant
        else:
            result = node.target(*args, **kwargs)  # type: ignore[operator]
        return Rows.of(result.to(dtype)) if gives_map else result

    return run


def _by_channel(gate: fx.Node) -> bool:
    """Whether a gate is one number a channel, or one for all."""
    return (shape_of(gate) or ())[-3:] == (1, 1, 1)


def _joins_channels(node: fx.Node) -> bool:
    """Whether a node concatenates different maps by their channels."""
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    name, parts = function_name(node), node.args[0] if node.args else ()
    several = isinstance(parts, list | tuple) and len(parts) == len(node.all_input_nodes)
    return name in CONCATENATIONS and several and dim in (1, -4)


def own(nodes: Nodes, node: fx.Node) -> nn.Module | None:
    """A copy of a node's module, in evaluation: the network may be trained on."""
    module = nodes.module(node)
    return None if module is None else copy.deepcopy(module).float().eval()


def _as_tensor(x: Rows) -> Tensor:
    """(1, C, T, H, W) float32 in memory of its own: it may be viewed, overwritten or returned."""
    return x.tensor().float().clone(memory_format=torch.contiguous_format)
