"""Trace a network into a torch.fx graph whose nodes know their shapes."""

from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.passes.shape_prop import ShapeProp

from dance_lib.models.structure import Shape, StructureError

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def trace(network: nn.Module, clip_shape: Shape) -> fx.Graph:
    """The network's graph, the same in training and evaluation.

    Raises:
        StructureError: it can't be traced, takes other inputs than one clip, gives no logits, or
            does not fit the clip shape; the message names the module.
    """
    graph = _trace(network)
    _propagate_shapes(network, graph, clip_shape)
    return graph


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
        if one_input and is_bare(m):
            result = self.create_proxy("call_module", self.inside, args, kwargs)
        else:
            result = super().call_module(m, forward, args, kwargs)
        self.inside = outside  # not in a `finally`: an error leaves the path of its module
        return result


def is_bare(module: nn.Module) -> bool:
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
                f"{type(network).__name__} calls {function_name(node)} as a function "
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
        try:
            clip = torch.empty(2, *clip_shape, dtype=parameter.dtype, device=parameter.device)
            ShapeProp(fx.GraphModule(network, graph), fake_mode=fake).propagate(clip)
        except RuntimeError as error:
            refused = f"{type(network).__name__} can't take clips of {clip_shape}"
            raise StructureError(f"{refused}: {error.__cause__ or error}") from error
    given = shape_of(graph.output_node())
    if given is None or len(given) != 2:
        raise StructureError(
            f"{type(network).__name__} gives {given or 'no single tensor'}, not logits (N, classes)"
        )


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """Shape of a node's value, batch first; None where that is no single tensor."""
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if meta is not None and hasattr(meta, "shape") else None


def holds_tensors(node: fx.Node) -> bool:
    """Whether a value is a tensor, or several, and not a size or another number."""
    return "tensor_meta" in node.meta


def function_name(node: fx.Node) -> str:
    """Name of the function or method that a node calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
