"""Residual branches: what lies between a fork of the residual stream and its sum.

An addition joins two paths that fork from one node; the path with more convolutions is the branch,
the other its shortcut.
"""

import operator

import torch
from torch import fx, nn

from dance_lib.models.nodes import CONCATENATIONS, Nodes, after, before, overwrites
from dance_lib.models.structure import Structure, StructureError
from dance_lib.models.tracing import function_name, holds_tensors

ADDITIONS = (operator.add, operator.iadd, torch.add)


def is_addition(node: fx.Node) -> bool:
    """Whether a node adds two values."""
    return node.target in ADDITIONS or node.target in ("add", "add_")


def owned_by_branches(network: nn.Module, structure: Structure) -> dict[fx.Node, str]:
    """Nodes that one droppable branch alone needs, and its name: they lead to its end alone."""
    owners: dict[fx.Node, str] = {}
    ends = {
        unit.node: unit.branch
        for unit in structure.units.values()
        if structure.branches[unit.branch].droppable
    }
    for node in reversed(structure.graph.nodes):
        if node.name in ends:
            owners[node] = ends[node.name]
        elif not (overwrites(network, node) and len(node.all_input_nodes[0].users) > 1):
            leading = {owners.get(user) for user in node.users}
            if len(leading) == 1 and None not in leading:
                owners[node] = leading.pop() or ""
    return owners


def residual_branches(nodes: Nodes, stem: fx.Node) -> list[list[fx.Node]]:
    """Prunable convolutions of each branch, in order of execution."""
    after_stem = after(stem) | {stem}
    branches: list[list[fx.Node]] = []
    taken: dict[fx.Node, fx.Node] = {}
    for add in nodes.graph.nodes:
        if is_addition(add):
            sides = [n for n in add.all_input_nodes if n in after_stem]
            if len(sides) != 2:
                continue  # a constant, a parameter, or x + x: no residual stream
            region = _branch_region(nodes, add, *sides)
            for node in region:
                if node in taken:
                    raise StructureError(
                        f"the additions {taken[node].name!r} and {add.name!r} are nested "
                        f"(both hold {node.target!r}); pruning needs one residual stream"
                    )
                taken[node] = add
            convs = [n for n in nodes.graph.nodes if n in region and nodes.is_prunable(n)]
            if convs:
                branches.append(convs)
                _check_adds_nothing(nodes, add, region, convs)
    return branches


def _check_adds_nothing(
    nodes: Nodes, add: fx.Node, region: set[fx.Node], convs: list[fx.Node]
) -> None:
    """Refuse a branch that is not zero where all its units are: it could not be dropped."""
    ends = {nodes.end_of_layer(conv) for conv in convs}

    def leak(node: fx.Node) -> fx.Node | None:
        """What makes a node's value other than zero; None if nothing does."""
        if node in ends:
            return None
        leaks = [leak(n) for n in node.all_input_nodes if n in region] or [node]
        if nodes.is_product(node):
            return leaks[0] if all(leaks) else None
        joins = function_name(node) in CONCATENATIONS and len(leaks) == len(node.all_input_nodes)
        return next((n for n in leaks if n), None) if joins or nodes.keeps_zero(node) else node

    culprit = next((leak(n) for n in add.all_input_nodes if n in region), None)
    if culprit is not None:
        raise StructureError(
            f"the branch that ends at {add.name!r} passes {culprit.target!r} behind its last "
            "unit, which does not keep zeros: a dropped branch would still add something"
        )


def _branch_region(nodes: Nodes, add: fx.Node, left: fx.Node, right: fx.Node) -> set[fx.Node]:
    before_left, before_right = before(left), before(right)
    regions = [before_left - before_right, before_right - before_left]
    counts = [sum(nodes.is_prunable(n) for n in region) for region in regions]
    if counts[0] == counts[1] and counts[0] > 0:
        convs = [n for n in nodes.graph.nodes if n in regions[0] | regions[1] and nodes.is_conv(n)]
        raise StructureError(
            f"the addition {add.name!r} joins two paths of {counts[0]} convolutions each "
            f"({', '.join(str(n.target) for n in convs)}): which is the branch?"
        )
    region = regions[0] if counts[0] > counts[1] else regions[1]
    for node in region:
        for user in node.users:
            if user is not add and user not in region and holds_tensors(user):
                raise StructureError(
                    f"{node.target!r} lies in the branch that ends at {add.name!r} but is also "
                    f"read by {user.target!r}: pruning it would change the residual stream"
                )
    return region
