"""A network's graph with its units replaced by convolutions that skip.

It starts from the masked executor's graph, which is right for every network. What is understood
becomes one launch: a convolution with its norm and ReLU, and at the end of a branch with the sum
and the ReLU behind that. What is not stays as it is, in PyTorch and masked: grouped and depthwise
convolutions, norms over the clip's own statistics, pools, squeeze-excite, concatenations.
"""

from collections import Counter
from typing import Any, NamedTuple

from torch import Tensor, fx, nn
from torch.nn.utils import fuse_conv_bn_eval

from dance_lib.executors.cuda.convolution import Aligned
from dance_lib.executors.cuda.kernels import GROUP
from dance_lib.executors.cuda.visitor import Skipping
from dance_lib.executors.layer import is_affine
from dance_lib.executors.masked import _visit_unit, split
from dance_lib.executors.operations import pointwise
from dance_lib.models.nodes import TRANSPARENT, Nodes, is_plain, overwrites
from dance_lib.models.residual import is_addition
from dance_lib.models.structure import Structure, Unit, module_of
from dance_lib.models.tracing import function_name, holds_tensors, shape_of


class Parts(NamedTuple):
    """A network cut behind its stem.

    Attributes:
        stem: normalised clip -> stem output. body: (stem output, `Skipping`) -> logits; it may
            overwrite the stem's output.
        folded: by unit that the body leaves to `Skipping`, convolution, norm and whether a ReLU
            follows.
        sums: those that are added to the residual stream.
        sources: by unit, the one whose output it reads where that holds what is kept alone.
    """

    stem: fx.GraphModule
    body: fx.GraphModule
    folded: dict[str, tuple[nn.Conv3d, nn.Module | None, bool]]
    sums: frozenset[str]
    sources: dict[str, str]


def parts_of(network: nn.Module, structure: Structure) -> Parts:
    """Rewrite a network in evaluation; its modules are used, not copied."""
    stem, body = split(network, structure)
    rewriting = _Rewriting(network, structure, body.graph)
    for unit in structure.units.values():
        rewriting.replace(unit)
    rewriting.leave_holes()
    return Parts(
        _settled(stem), _settled(body), rewriting.folded, frozenset(rewriting.sums),
        rewriting.sources,
    )  # fmt: skip


def _settled(module: fx.GraphModule) -> fx.GraphModule:
    """Fold the norms of what PyTorch runs; read maps in any layout of memory."""
    graph = module.graph
    runs = Counter(node.target for node in graph.nodes)
    for node in graph.nodes:
        norm: Any = module_of(module, node)
        if node.op == "call_method" and node.target == "view":
            node.target = "reshape"
        elif is_affine(norm):
            before = node.all_input_nodes[0]
            conv = module_of(module, before)
            alone = len(before.users) == 1 and runs[before.target] == 1
            if isinstance(conv, nn.Conv3d) and is_plain(conv) and alone:
                module.set_submodule(str(before.target), fuse_conv_bn_eval(conv, norm))
                node.replace_all_uses_with(before)
                graph.erase_node(node)
    graph.lint()
    return fx.GraphModule(module, graph)  # without the modules that nothing runs now


def aligned(module: fx.GraphModule) -> fx.GraphModule:
    """Put the convolutions that PyTorch runs in whole groups, with the ReLU that follows."""
    runs = Counter(node.target for node in module.graph.nodes)
    for node in list(module.graph.nodes):
        conv = module_of(module, node)
        if not isinstance(conv, nn.Conv3d) or not is_plain(conv) or conv.groups > 1:
            continue
        after = next(iter(node.users))
        relu = len(node.users) == runs[node.target] == 1 and _is_relu(module, after)
        if relu or any(count % GROUP for count in (conv.in_channels, conv.out_channels)):
            module.set_submodule(str(node.target), Aligned(conv, relu))
        if relu:
            after.replace_all_uses_with(node)
            module.graph.erase_node(after)
    module.graph.lint()
    return fx.GraphModule(module, module.graph)


def _is_relu(network: nn.Module, node: fx.Node) -> bool:
    by_name = node.op != "call_module" and function_name(node) in ("relu", "relu_")
    return by_name or type(module_of(network, node)) is nn.ReLU


def _convolve(visitor: Skipping, *args: Any) -> Tensor:
    return visitor.convolve(*args)


def _add(visitor: Skipping, *args: Any) -> Tensor:
    return visitor.add(*args)


OURS = (_convolve, _add)
NAME, X, FILL, STREAM, RELU = 1, 2, 3, 3, 5  # of their arguments


class _Rewriting:
    """Replaces the units of a body's graph, one after the other."""

    def __init__(self, network: nn.Module, structure: Structure, graph: fx.Graph) -> None:
        self._network, self._structure, self._graph = network, structure, graph
        self._nodes = Nodes(network, structure.graph)
        stem, self._visitor = (node for node in graph.nodes if node.op == "placeholder")
        stem.meta = next(n.meta for n in structure.graph.nodes if n.name == structure.stem)
        for node in graph.nodes:  # what the cut has put in
            if node.target in ("clone", _visit_unit):
                node.meta = dict(node.args[-1].meta)
        self._at = {str(n.target): n for n in graph.nodes if n.op == "call_module"}
        self.folded: dict[str, tuple[nn.Conv3d, nn.Module | None, bool]] = {}
        self.sums: set[str] = set()
        self.sources: dict[str, str] = {}

    def replace(self, unit: Unit) -> None:
        """Replace what can be replaced of a unit."""
        first, conv = self._at[unit.name], self._network.get_submodule(unit.name)
        assert isinstance(conv, nn.Conv3d)
        chain = self._chain(first)
        if chain is None or conv.groups > 1 or not is_plain(conv):
            return
        rest = [n for n in chain[1:-1] if not isinstance(self._module(n), TRANSPARENT)]
        norm = self._module(rest[0]) if rest and is_affine(self._module(rest[0])) else None
        rest = rest[1:] if norm is not None else rest
        relu = bool(rest) and self._is_relu(rest[0])
        rest = rest[1:] if relu else rest
        if not all(pointwise(self._nodes, node) for node in rest):
            return  # it needs every position
        self.folded[unit.name] = conv, norm, relu
        gone = chain[: chain.index(rest[0])] if rest else chain
        args = (self._visitor, unit.name, first.args[0], True, not rest)
        with self._graph.inserting_after(first):
            new = self._graph.call_function(_convolve, args)
        new.meta = dict(gone[-1].meta)
        self._put(new, gone)
        branch = self._structure.branches[unit.branch]
        if not rest and branch.droppable and branch.units[-1] == unit.name:
            self._join(unit, new)

    def leave_holes(self) -> None:
        """Write what is kept alone where all that reads a unit knows its plan."""
        for node in self._graph.nodes:
            if node.target is _convolve:
                name = node.args[NAME]
                knows = ((name, self._structure.units[name].out_shape[0]),)
                if all(
                    user.target in OURS
                    and [i for i, arg in enumerate(user.args) if arg is node] == [X]
                    and self._structure.units[user.args[NAME]].sources == knows
                    for user in node.users
                ):
                    node.update_arg(FILL, False)
                    for user in list(node.users):
                        self.sources[user.args[NAME]] = name

    def _join(self, unit: Unit, new: fx.Node) -> None:
        """Add the last unit of a branch to the stream as it is computed."""
        gone, users = [new], list(new.users)
        if len(users) == 1 and users[0].target == "clone":  # it was to be overwritten by the sum
            gone, users = [new, users[0]], list(users[0].users)
        sum_ = users[0]
        sides = sum_.all_input_nodes
        if len(users) > 1 or not is_addition(sum_) or sum_.kwargs.get("alpha", 1) != 1:
            return
        if len(sides) < 2 or shape_of(sides[0]) != shape_of(sides[1]):
            return
        stream, x = sides[sides[0] is gone[-1]], new.args[X]
        into_stream = overwrites(self._network, sum_) and sum_.args[0] is stream
        assert isinstance(x, fx.Node)
        if into_stream or any(overwrites(self._network, user) for user in x.users):
            return
        relu = len(sum_.users) == 1 and self._is_relu(next(iter(sum_.users)))
        gone += [sum_, *sum_.users] if relu else [sum_]
        own = x.target in (_convolve, _visit_unit)  # and so no view of the stream
        how = own and self._is_free(stream, sum_), relu, self._is_positive(stream)
        with self._graph.inserting_before(sum_):
            total = self._graph.call_function(_add, (self._visitor, unit.name, x, stream, *how))
        total.meta = dict(gone[-1].meta)
        self._put(total, gone)
        self.sums.add(unit.name)

    def _put(self, new: fx.Node, gone: list[fx.Node]) -> None:
        for node in reversed(gone):
            node.replace_all_uses_with(new)
            self._graph.erase_node(node)

    def _chain(self, conv: fx.Node) -> list[fx.Node] | None:
        """A convolution and what follows it up to where its output is visited; None if it forks."""
        chain = [conv]
        while chain[-1].target is not _visit_unit:
            users = [n for n in chain[-1].users if holds_tensors(n)]
            if len(users) != 1:
                return None
            chain += users
        return chain

    def _is_free(self, stream: fx.Node, sum_: fx.Node) -> bool:
        """Whether nobody else has this memory, or reads it from this sum on."""
        order = {node: number for number, node in enumerate(self._graph.nodes)}
        return self._is_fresh(stream) and all(
            user is sum_
            or (
                order[user] < order[sum_]
                and (user.target in OURS or isinstance(self._module(user), nn.Conv3d))
            )
            for user in stream.users
        )

    def _is_fresh(self, node: fx.Node) -> bool:
        """Whether a value has memory of its own."""
        if self._is_relu(node):  # which may work in place
            before = node.all_input_nodes[0]
            return len(before.users) == 1 and self._is_fresh(before)
        made = (nn.Conv3d, nn.MaxPool3d, nn.modules.batchnorm._BatchNorm)
        fresh = node.op == "placeholder" or node.target in (_add, "clone")
        return fresh or isinstance(self._module(node), made)

    def _is_positive(self, node: fx.Node) -> bool:
        """Whether a ReLU would change nothing."""
        if node.op == "placeholder":
            return any(n.name == self._structure.stem and self._is_relu(n)
                       for n in self._structure.graph.nodes)  # fmt: skip
        if node.target == "clone":
            return self._is_positive(node.all_input_nodes[0])
        return bool(node.args[RELU]) if node.target is _add else self._is_relu(node)

    def _is_relu(self, node: fx.Node) -> bool:
        return _is_relu(self._network, node)

    def _module(self, node: fx.Node) -> nn.Module | None:
        return module_of(self._network, node)
