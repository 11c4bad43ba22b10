"""A network's graph as a list of steps that work on the rows of one clip."""

from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from dance_lib.errors import DanceError
from dance_lib.executors.clips import ClipReader
from dance_lib.executors.kernels import Kernels
from dance_lib.executors.layer import EVERYTHING, Layer, is_affine
from dance_lib.executors.operations import add, as_pytorch, operation, pointwise
from dance_lib.executors.rows import Rows
from dance_lib.executors.steps import Run, Step, mark_last, run_of_unit, sum_step
from dance_lib.models.nodes import TRANSPARENT, Nodes, is_plain, overwrites
from dance_lib.models.residual import is_addition, owned_by_branches
from dance_lib.models.structure import OTHER, Structure, Unit
from dance_lib.models.tracing import function_name, holds_tensors, shape_of


class Program:
    """The steps of a network, cut behind its stem.

    Args:
        network: the backbone, in evaluation; its weights are copied.
        structure: of the network.
        kernels: what computes convolutions.

    Attributes:
        layers: by unit.
    """

    def __init__(self, network: nn.Module, structure: Structure, kernels: Kernels) -> None:
        self._network, self._nodes = network, Nodes(network, structure.graph)
        self._structure, self._kernels = structure, kernels
        self._unit_of = {unit.name: unit for unit in structure.units.values()}
        self._alias: dict[fx.Node, fx.Node] = {}
        self._covered: set[fx.Node] = set()
        self._sums: dict[fx.Node, tuple[Unit, Layer, fx.Node, fx.Node]] = {}
        self.layers: dict[str, Layer] = {}
        graph = list(structure.graph.nodes)
        self._clip = next(node for node in graph if node.op == "placeholder")
        self._result = graph[-1].all_input_nodes[0]
        steps: list[Step] = []
        for node in graph:
            if node.op not in ("placeholder", "output") and node not in self._covered:
                step = self._step(node)
                if step is not None:
                    steps.append(step)
                    if overwrites(network, node):  # who reads that value from now on reads this
                        self._alias[self._real(node.all_input_nodes[0])] = step.node
            if node.name == structure.stem:
                self._stem_node = self._real(node)
        self._result = self._real(self._result)
        mark_last(steps, keep={self._result})
        owners = owned_by_branches(network, structure)
        for step in steps:
            step.branch = owners.get(step.node)
        cut = next(i for i, step in enumerate(steps) if step.node is self._stem_node) + 1
        self._stem, self._body = steps[:cut], steps[cut:]

    def stem(self, run: Run, clip: Tensor) -> Rows:
        """Normalised (C, T, H, W) -> the stem's output, which the run goes on from."""
        run.values[self._clip] = clip[None]
        for step in self._stem:
            step(run)
        return run.values[self._stem_node]

    def body(self, run: Run) -> Tensor:
        """All behind the stem -> logits (1, classes); the run knows by now what is kept."""
        if run.record is not None:
            for unit in self._structure.units.values():
                if unit.branch in run.dropped:
                    run.record(unit.name, torch.zeros(1, *unit.out_shape))
        for step in self._body:
            step(run)
        return run.values[self._result]

    # ------------------------------------------------------------------ from nodes to steps
    def _step(self, node: fx.Node) -> Step | None:
        nodes, module = self._nodes, self._nodes.module(node)
        if isinstance(module, TRANSPARENT):
            self._alias[node] = node.all_input_nodes[0]
            return None
        if nodes.is_prunable(node) and is_plain(module):
            return self._convolution(node)
        if str(node.target) in self._unit_of:
            raise DanceError(
                f"{str(node.target)!r} ({type(module).__name__}) has a forward of its own: what it "
                "computes can't be known from its weights"
            )
        if node in self._sums:
            return self._sum(node)
        reads = [self._real(n) for n in node.all_input_nodes]
        if is_addition(node) and len(reads) == 2 and len({nodes.map_of(n) for n in reads}) == 1:
            alpha: Any = node.kwargs.get("alpha", 1)
            return Step(node, reads, lambda run, x, y: add(x, y, alpha), joins=True)
        pools, dtype = self._structure.pools, self._kernels.dtype
        if self._clip in reads:  # a tensor as yet, no rows
            compute = as_pytorch(nodes, node, dtype)
        else:
            compute = operation(nodes, node, dtype)
        if node.name in pools:
            unit = self._structure.units[pools[node.name]]

            def squeeze(run: Run, x: Any) -> Any:  # averages over what is kept of the unit
                kept = run.kept[unit.name].rows(unit.out_shape[1:])
                return compute(x) * (prod(unit.out_shape[1:]) / max(1, kept))

            return Step(node, reads, squeeze)
        if isinstance(module, nn.Conv3d | nn.Linear):
            known = next(o for o in self._structure.others if o.name == str(node.target))
            touched = 4 * (known.weights + known.inputs + known.outputs)

            def counted(run: Run, *values: Any) -> Any:
                run.spend(OTHER, known.macs, touched)
                return compute(*values)

            return Step(node, reads, counted)
        if holds_tensors(node):
            return Step(node, reads, lambda run, *values: compute(*values))
        shapes = [shape_of(n) or () for n in reads]

        def size(run: Run, *values: Any) -> Any:  # known even of a branch that is dropped
            pairs = zip(values, shapes, strict=True)
            return compute(*(torch.empty(1, *s[1:]) if v is None else v for v, s in pairs))

        return Step(node, reads, size, joins=True)

    def _convolution(self, node: fx.Node) -> Step | None:
        name = str(node.target)
        unit = self._unit_of.get(name)
        chain = self._chain(node, unit)
        self._covered |= set(chain)
        rest = [n for n in chain[1:] if not isinstance(self._nodes.module(n), TRANSPARENT)]
        norm = self._nodes.module(rest[0]) if rest else None
        norm, rest = (norm, rest[1:]) if is_affine(norm) else (None, rest)
        relu = bool(rest) and self._is_relu(rest[0])
        rest = rest[1:] if relu else rest
        conv = self._nodes.module(node)
        assert isinstance(conv, nn.Conv3d)
        read = [self._real(node.all_input_nodes[0])]
        reader = None
        if read[0] is self._clip:
            reader = ClipReader(conv, self._kernels.dtype)
            conv = reader.conv
        layer = Layer(self._kernels, conv, norm, relu, self._nodes.map_of(node)[1:])
        self._alias |= dict.fromkeys(chain[:-1], chain[-1])  # for who asks for their sizes
        if unit is None:

            def run_other(run: Run, x: Any) -> Rows:
                y, *spent = layer(reader(x[0]) if reader else x, EVERYTHING, run.memory)
                run.spend(OTHER, *spent)
                return y

            return Step(chain[-1], read, run_other)
        self.layers[name] = layer
        branch = self._structure.branches[unit.branch]
        users = self._users(chain[-1])
        ends = not rest and branch.droppable and branch.units[-1] == name
        if ends and len(users) == 1 and all(len(n.users) == 1 for n in chain[:-1]):
            other = [n for n in users[0].all_input_nodes if n not in self._passing(chain[-1])]
            plain = is_addition(users[0]) and users[0].kwargs.get("alpha", 1) == 1
            if plain and len(other) == 1 and self._nodes.is_map(other[0]):
                self._sums[users[0]] = (unit, layer, read[0], other[0])
                return None
        tail = [pointwise(self._nodes, n) for n in rest]
        whole = [] if all(tail) else [operation(self._nodes, n, self._kernels.dtype) for n in rest]
        return Step(chain[-1], read, run_of_unit(unit, layer, [t for t in tail if t], whole))

    def _sum(self, node: fx.Node) -> Step:
        """The last unit of a branch, added to the residual stream in place."""
        unit, layer, read, other = self._sums[node]
        stream_node = self._real(other)
        users = self._users(node)
        relu = len(users) == 1 and self._is_relu(users[0])
        if relu:
            self._covered.add(users[0])
        return sum_step(users[0] if relu else node, unit, layer, [read, stream_node], relu)

    def _chain(self, conv: fx.Node, unit: Unit | None) -> list[fx.Node]:
        """A convolution and what folds into it; of a unit, all up to what its mask multiplies."""
        chain, seen = [conv], ""
        while True:
            users = [n for n in chain[-1].users if holds_tensors(n)]
            if unit is not None:
                if chain[-1].name == unit.node:
                    return chain
            elif len(users) != 1 or chain[-1].name == self._structure.stem or seen == "relu":
                return chain
            elif is_affine(self._nodes.module(users[0])) and not seen:
                seen = "norm"
            elif self._is_relu(users[0]):
                seen = "relu"
            else:
                return chain
            chain.append(users[0])

    def _passing(self, node: fx.Node) -> set[fx.Node]:
        """A node and those behind it that change nothing."""
        found = {node}
        for user in node.users:
            if isinstance(self._nodes.module(user), TRANSPARENT):
                found |= self._passing(user)
        return found

    def _is_relu(self, node: fx.Node) -> bool:
        module = self._nodes.module(node)
        return isinstance(module, nn.ReLU) or (
            module is None and node.op != "output" and function_name(node) in ("relu", "relu_")
        )

    def _real(self, node: fx.Node) -> fx.Node:
        """The node whose value a node that changes nothing passes on."""
        while node in self._alias:
            node = self._alias[node]
        return node

    def _users(self, node: fx.Node) -> list[fx.Node]:
        """Who reads a node's value, be it through nodes that change nothing."""
        found = []
        for user in node.users:
            transparent = isinstance(self._nodes.module(user), TRANSPARENT)
            found += self._users(user) if transparent else [user]
        return found
