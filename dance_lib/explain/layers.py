"""What of a network is pruned, and why the rest stays dense."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from torch import fx, nn

from dance_lib.aap.plan import Axis
from dance_lib.models.nodes import Nodes, after, before
from dance_lib.models.residual import is_addition
from dance_lib.models.structure import Unit
from dance_lib.models.tracing import NORMS, holds_tensors
from dance_lib.network import Dance

COUNTED = (nn.Conv3d, nn.Linear)
NOT_COUNTED = "no 3-D convolution or linear layer: never pruned, and in no count of MACs"
WHY = {  # by the part of the network that a layer belongs to, if that is no branch
    "stem": "always runs in full: the controller reads it",
    "shortcut": "passes where a branch is dropped",
    "squeeze-excite": "reads an average, which has no frames and no places",
    "inside a branch": "only 3-D convolutions are pruned",
    "residual stream": "only what lies in a branch beside it is pruned",
    "head": "nothing behind it could be pruned",
}


def layer_table(net: Dance) -> pd.DataFrame:
    """Say of every layer with weights, norms apart, what is pruned or why it stays dense.

    Returns:
        A row a layer, in order of execution, with the columns

        - `layer`, `kind`: its module path and class;
        - `part`: of the network; its branch, or one of `WHY`;
        - `macs`, `share`: of one dense clip, and their part of the whole network's; NA for layers
          that no count of this library knows;
        - `pruned`: axes, with commas between;
        - `stays`: why the layer, or one of the axes, stays dense; empty where all are pruned.
    """
    nodes = Nodes(net.backbone, net.structure.graph)
    others = iter(net.structure.others)  # as they stand in the graph
    rows = []
    for node, module in _layers(nodes):
        name = str(node.target)
        row: dict[str, Any] = {"layer": name, "kind": type(module).__name__}
        if name in net.structure.units:
            unit = net.structure.units[name]
            why = {axis: _why_dense(net, unit, axis) for axis in net.controller.axes}
            row["part"], row["macs"] = unit.branch, unit.dense_macs
            row["pruned"] = ", ".join(axis for axis, reason in why.items() if not reason)
            row["stays"] = "; ".join(f"{axis}: {why[axis]}" for axis in why if why[axis])
        else:
            row["part"], row["pruned"] = _part(nodes, net, node), ""
            known = isinstance(module, COUNTED)
            row["macs"] = next(others).macs if known else pd.NA
            row["stays"] = WHY[row["part"]] if known else NOT_COUNTED
        rows.append(row)
    table = pd.DataFrame(rows).astype({"macs": "Int64"})
    table["share"] = table["macs"] / net.structure.dense_macs
    return table[["layer", "kind", "part", "macs", "share", "pruned", "stays"]]


def told(table: pd.DataFrame) -> list[str]:
    """A `layer_table` in lines: how much is pruned, then what stays dense, by reason."""
    pruned = table["pruned"] != ""
    share = table["share"][pruned].sum()
    lines = [f"pruned: {pruned.sum()} of {len(table)} layers, {share:.1%} of the MACs"]
    parts = table["part"].mask(pruned, "in part")  # of units that one axis is not pruned of
    for (part, stays), rows in table[table["stays"] != ""].groupby([parts, "stays"], sort=False):
        size = f"{len(rows)} layer{'s' * (len(rows) > 1)}"
        if rows["macs"].notna().all():
            size += f", {rows['share'].sum():.1%}"
        lines.append(f"stays dense: {part} ({size}): {stays}")
    return lines


def _layers(nodes: Nodes) -> Iterator[tuple[fx.Node, nn.Module]]:
    """Modules of the graph that hold weights of more than one axis and are no norms."""
    for node in nodes.graph.nodes:
        module = nodes.module(node)
        if module is None or isinstance(module, NORMS):
            continue
        if any(weight.dim() > 1 for weight in module.parameters()):
            yield node, module


def _why_dense(net: Dance, unit: Unit, axis: Axis) -> str:
    """Why an axis of a unit stays dense; empty where it is pruned."""
    structure, branch = net.structure, net.structure.branches[unit.branch]
    if branch.name in net.controller.opened:
        return "runs before the controller reads"
    if axis == "channels":
        owner = structure.channel_owner(unit.name)
        if owner is None:
            return "a grouped convolution that reads channels nobody prunes"
        if structure.groups(owner) == 1:
            return f"one group of {unit.out_shape[0]} channels, and one is always kept"
        return ""
    choices = branch.size[0] if axis == "frames" else branch.grid[0] * branch.grid[1]
    if choices == 1 and not branch.droppable:
        return f"one {'frame' if axis == 'frames' else 'tile'}, and one is always kept"
    return ""


def _part(nodes: Nodes, net: Dance, node: fx.Node) -> str:
    """The part of the network that a layer outside all units belongs to: a key of `WHY`."""
    by_name = {n.name: n for n in nodes.graph.nodes}
    if node in before(by_name[net.structure.stem]):
        return "stem"
    behind = after(node)
    if node.all_input_nodes[0] in nodes.pooled and _scales_a_map(nodes, behind):
        return "squeeze-excite"
    units = {n for n in nodes.graph.nodes if str(n.target) in net.structure.units}
    for addition in filter(is_addition, nodes.graph.nodes):
        sides = [before(n) for n in addition.all_input_nodes if holds_tensors(n)]
        if len(sides) == 2 and node in sides[0] ^ sides[1]:
            own, other = sides if node in sides[0] else reversed(sides)
            if units & (own - other):
                return "inside a branch"
            if units & (other - own):
                return "shortcut"
    return "residual stream" if units & behind else "head"


def _scales_a_map(nodes: Nodes, behind: set[fx.Node]) -> bool:
    """Whether what was made of an average is multiplied with a map."""
    return any(nodes.is_product(n) and any(map(nodes.is_map, n.all_input_nodes)) for n in behind)
