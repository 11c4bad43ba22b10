"""The masked executor: runs the whole network and multiplies by masks.

It defines what a plan means (training uses it, the sparse executor is held against it) and saves
no work. The network's graph is cut behind the stem: the first part gives what the controller
reads, the second takes the masks.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, fx, nn

from dance_lib.aap.masks import Masks
from dance_lib.models.nodes import overwrites
from dance_lib.models.structure import Structure, StructureError


class Visitor(Protocol):
    """Sees, and may change, every unit's output on its way through the network."""

    def unit(self, name: str, output: Tensor) -> Tensor:
        """Called with (N, C_u, T_u, H_u, W_u) after norm and activation."""

    def pool(self, name: str, pooled: Tensor) -> Tensor:
        """Called with the global average (N, C_u, ...) of unit `name`'s output in its branch."""


class Dense:
    """Leaves everything as it is."""

    def unit(self, name: str, output: Tensor) -> Tensor:
        """The output itself."""
        return output

    def pool(self, name: str, pooled: Tensor) -> Tensor:
        """The average itself."""
        return pooled


class Masked:
    """Multiplies every unit's output by its mask; pools average over kept positions."""

    def __init__(self, masks: Masks) -> None:
        self.masks = masks

    def unit(self, name: str, output: Tensor) -> Tensor:
        """M_u ⊙ y_u."""
        positions = self.masks.positions(name).to(output.dtype)  # (N, T, H, W)
        channels = self.masks.channels[name].to(output.dtype)
        return output * positions[:, None] * channels[:, :, None, None, None]

    def pool(self, name: str, pooled: Tensor) -> Tensor:
        """Mean over all positions -> mean over kept ones (the others are zeros already)."""
        counted = torch.promote_types(pooled.dtype, torch.float32)  # half precision ends at 65,504
        positions = self.masks.positions(name).to(counted).flatten(1)
        kept = positions.sum(1).clamp(min=1.0)  # none kept: the pool is zero whatever divides it
        scale = (positions.shape[1] / kept).to(pooled.dtype)  # (N,)
        return pooled * scale.reshape(-1, *[1] * (pooled.dim() - 1))


class Recorded:
    """Lets `record` see every unit's output before `inner` changes it."""

    def __init__(self, record: Callable[[str, Tensor], None], inner: Visitor | None = None) -> None:
        self.record = record
        self.inner = inner or Dense()

    def unit(self, name: str, output: Tensor) -> Tensor:
        """Record, then pass to the inner visitor."""
        self.record(name, output)
        return self.inner.unit(name, output)

    def pool(self, name: str, pooled: Tensor) -> Tensor:
        """The inner visitor's."""
        return self.inner.pool(name, pooled)


def _visit_unit(visitor: Visitor, name: str, output: Tensor) -> Tensor:
    return visitor.unit(name, output)


def _visit_pool(visitor: Visitor, name: str, pooled: Tensor) -> Tensor:
    return visitor.pool(name, pooled)


def split(network: nn.Module, structure: Structure) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut the network behind its stem.

    Returns:
        stem: clip (N, C, T, H, W) -> stem output (N, C_s, T_s, H_s, W_s).
        body: (stem output, visitor) -> logits, with the visitor called on every unit's output.
        Both share the network's modules.

    Raises:
        StructureError: something behind the stem reads what lies before it.
    """
    nodes = list(structure.graph.nodes)
    cut = next(i for i, node in enumerate(nodes) if node.name == structure.stem)
    unit_at = {unit.node: unit.name for unit in structure.units.values()}

    stem_graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in nodes[: cut + 1]:
        copies[node] = stem_graph.node_copy(node, lambda n: copies[n])
    stem_graph.output(copies[nodes[cut]])

    body_graph = fx.Graph()
    stem_output = body_graph.placeholder("stem_output")
    visitor = body_graph.placeholder("visitor")
    if _is_overwritten(network, nodes[cut]):
        stem_output = body_graph.call_method("clone", (stem_output,))
    body: dict[fx.Node, fx.Node] = {nodes[cut]: stem_output}
    for node in nodes[cut + 1 :]:
        early = [n for n in node.all_input_nodes if n not in body]
        if early:
            raise StructureError(
                f"{node.target!r} reads {early[0].target!r} from before the end of the stem; "
                "the plan must be known once the stem has run"
            )
        copy = body_graph.node_copy(node, lambda n: body[n])
        if node.name in unit_at:
            copy = body_graph.call_function(_visit_unit, (visitor, unit_at[node.name], copy))
            if _is_overwritten(network, node):  # what a visitor keeps must stay as it was
                copy = body_graph.call_method("clone", (copy,))
        elif node.name in structure.pools:
            copy = body_graph.call_function(
                _visit_pool, (visitor, structure.pools[node.name], copy)
            )
        body[node] = copy
    return fx.GraphModule(network, stem_graph), fx.GraphModule(network, body_graph)


def _is_overwritten(network: nn.Module, node: fx.Node) -> bool:
    """Whether something that reads this value works in place."""
    return any(overwrites(network, user) for user in node.users)
