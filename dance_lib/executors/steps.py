"""What runs: the steps of a network, each from the values of some nodes to the value of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from dance_lib.executors.layer import EVERYTHING, Kept, Layer
from dance_lib.executors.operations import select, zero_dropped
from dance_lib.executors.rows import Rows
from dance_lib.executors.workspace import Workspace
from dance_lib.models.structure import Unit

Record = Callable[[str, Tensor], None]


@dataclass(eq=False)
class Run:
    """One clip on its way through the network.

    Attributes:
        memory: gives buffers.
        values: of the graph's nodes, as long as someone will read them.
        kept: what the plan keeps of each unit.
        compact: units whose dropped channels are left out, not computed and zeroed.
        dropped: branches that are not touched.
        record: sees every unit's output (1, C_u, T_u, H_u, W_u).
        spent: (MACs, bytes) carried out, by unit; what is no unit under `other`.
    """

    memory: Workspace
    values: dict[fx.Node, Any]
    kept: Mapping[str, Kept] = field(default_factory=dict)
    compact: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    record: Record | None = None
    spent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def spend(self, name: str, macs: int, bytes_moved: int) -> None:
        """Count what a layer did."""
        before = self.spent.get(name, (0, 0))
        self.spent[name] = (before[0] + macs, before[1] + bytes_moved)


@dataclass(eq=False)
class Step:
    """Computes one node's value.

    Attributes:
        reads: nodes whose values it takes, in order.
        run: takes the run and those values.
        last: nodes that nobody reads afterwards.
        branch: the branch that alone needs this value; where it is dropped the value is None.
        joins: whether it adds, and so takes None for a side that adds nothing; what else reads
            None is None.
    """

    node: fx.Node
    reads: list[fx.Node]
    run: Callable[..., Any]
    last: list[fx.Node] = field(default_factory=list)
    branch: str | None = None
    joins: bool = False

    def __call__(self, run: Run) -> None:
        """Put the node's value into the run and let go of what is not read again."""
        values = [run.values[n] for n in self.reads]
        skipped = self.branch is not None and self.branch in run.dropped
        skipped = skipped or (not self.joins and any(value is None for value in values))
        run.values[self.node] = None if skipped else self.run(run, *values)
        for node in self.last:
            value = run.values.pop(node)
            if isinstance(value, Rows) and not any(
                _same_memory(value, other) for other in run.values.values()
            ):
                run.memory.give(value.buffer)


def run_of_unit(
    unit: Unit, layer: Layer, tail: list[Callable[..., Any]], whole: list[Callable[..., Any]]
) -> Callable[..., Rows]:
    """A unit whose output others read.

    `tail` is what follows the convolution and needs no other position than its own; `whole` is
    what needs the whole map (a norm over the clip's own statistics, say): nothing is skipped then.
    """

    def run_unit(run: Run, x: Rows) -> Rows:
        kept = run.kept[unit.name]
        if whole:
            x = x.every_channel() if layer.depthwise else x  # there its channels are the output's
            y, *spent = layer(x, EVERYTHING, run.memory)
        else:
            y, *spent = layer(x, kept, run.memory, compact=unit.name in run.compact)
        run.spend(unit.name, *spent)
        computed = y
        for compute in whole or tail:
            y = compute(y)
        if not _same_memory(y, computed):
            run.memory.give(computed.buffer)
        if whole:
            y = select(y, kept)
        elif tail and y.channels is None:
            y = zero_dropped(y, kept)
        if run.record is not None:
            run.record(unit.name, y.tensor().clone())
        return y

    return run_unit


def _same_memory(x: Rows, y: Any) -> bool:
    return isinstance(y, Rows) and y.buffer.data_ptr() == x.buffer.data_ptr()


def sum_step(node: fx.Node, unit: Unit, layer: Layer, reads: list[fx.Node], relu: bool) -> Step:
    """The last unit of a branch, added to the residual stream in place.

    Args:
        node: the sum, or the ReLU behind it.
        reads: what the unit reads, and the stream.
        relu: whether a ReLU follows the sum.
    """

    def run_sum(run: Run, x: Rows | None, stream: Rows) -> Rows:
        kept = run.kept[unit.name]
        if unit.branch in run.dropped:
            x = None
        if x is not None and run.record is not None:
            alone, *_ = layer(x, kept, run.memory, compact=unit.name in run.compact)
            run.record(unit.name, alone.tensor().clone())
            run.memory.give(alone.buffer)
        read_again = [v for n, v in run.values.items() if n not in step.last]
        shared = any(_same_memory(stream, value) for value in (x, *read_again))
        if shared or not stream.whole or stream.channels is not None:
            stream = stream.spread().every_channel().copy(run.memory)
        if x is not None:
            stream, *spent = layer(
                x, kept, run.memory, compact=unit.name in run.compact, onto=stream,
                relu_after=relu,
            )  # fmt: skip
            run.spend(unit.name, *spent)
        if relu and not stream.nonnegative and not kept.everything:
            stream.buffer.relu_()  # where the branch added nothing
        stream.nonnegative = relu
        return stream

    step = Step(node, reads, run_sum, joins=True)
    return step


def mark_last(steps: list[Step], keep: set[fx.Node]) -> None:
    """Note at each step which of the values it reads nobody reads afterwards."""
    seen = set(keep)
    for step in reversed(steps):
        step.last = [n for n in dict.fromkeys(step.reads) if n not in seen]
        seen |= set(step.reads)
