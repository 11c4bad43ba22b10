"""An ONNX graph in the making. What is known already is computed at once and not at run time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET = 13  # the newest of ONNX Runtime 1.10, the last for the Jetson Nano's Python 3.6
IR_VERSION = 7  # as that of opset 13
VERSIONS: dict[str, Any] = {
    "opset_imports": [helper.make_opsetid("", OPSET)],
    "ir_version": IR_VERSION,
}
Value = str | np.ndarray  # a name in the graph, or what is known


class Graph:
    """Nodes and constants; `add` gives names of values, or values where all inputs are known."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._count = 0

    def add(self, op: str, *inputs: Value, **attributes: Any) -> Any:
        """Output of an operator of opset 13; `outputs=2` gives so many."""
        outputs = attributes.pop("outputs", 1)
        if inputs and all(isinstance(value, np.ndarray) for value in inputs):
            return _computed(op, inputs, attributes)
        names = [self._name(op) for _ in range(outputs)]
        read = [self.named(value) for value in inputs]
        self._nodes.append(helper.make_node(op, read, names, **attributes))
        return names if outputs > 1 else names[0]

    def named(self, value: Value) -> str:
        """The name of a value, which becomes a constant if it has none."""
        if isinstance(value, str):
            return value
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def either(self, condition: str, then: Callable[[], str], otherwise: str) -> str:
        """`then()` where the condition (a bool, shape ()) holds, else a value that is there.

        What `then` adds is computed in the first case alone.
        """
        graphs = []
        for make in (then, lambda: self.add("Identity", otherwise)):
            outside, self._nodes = self._nodes, []
            name = make()
            result = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            graphs.append(helper.make_graph(self._nodes, self._name("branch"), [], [result]))
            self._nodes = outside
        return str(self.add("If", condition, then_branch=graphs[0], else_branch=graphs[1]))

    def include(self, model: onnx.ModelProto, *inputs: str) -> list[str]:
        """All of a model, fed by values that are there; its outputs."""
        graph = compose.add_prefix(model, f"{self._name('part')}/").graph
        for given, name in zip(inputs, graph.input, strict=True):
            self._nodes.append(helper.make_node("Identity", [given], [name.name]))
        self._nodes += graph.node
        self._constants += graph.initializer
        return [output.name for output in graph.output]

    def model(
        self,
        inputs: Mapping[str, Sequence[int]],
        outputs: Mapping[str, Sequence[int]],
        results: Sequence[Value],
    ) -> onnx.ModelProto:
        """All of it as a checked model.

        Args:
            inputs, outputs: shapes by name; all float32, but for `code`.
            results: in the order of `outputs`, the values that they are.
        """
        for name, result in zip(outputs, results, strict=True):
            self._nodes.append(helper.make_node("Identity", [self.named(result)], [name]))

        def told(shapes: Mapping[str, Sequence[int]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(
                    name, TensorProto.INT64 if name == "code" else TensorProto.FLOAT, shape
                )
                for name, shape in shapes.items()
            ]

        graph = helper.make_graph(
            self._nodes, "dance", told(inputs), told(outputs), self._constants
        )
        model = helper.make_model(graph, producer_name="dance_lib", **VERSIONS)
        onnx.checker.check_model(model)
        return model

    def _name(self, op: str) -> str:
        self._count += 1
        return f"{op.lower()}_{self._count}"


def whole(*values: int) -> np.ndarray:
    """Whole numbers as ONNX wants them."""
    return np.array(values, dtype=np.int64)


def _computed(op: str, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Any:
    """What an operator gives for known inputs, by ONNX's own reference implementation."""
    arrays = [value for value in inputs if isinstance(value, np.ndarray)]
    kinds = tuple(helper.np_dtype_to_tensor_dtype(array.dtype) for array in arrays)
    evaluator = _evaluator(op, kinds, repr(sorted(attributes.items())), **attributes)
    feed = {f"x{i}": array for i, array in enumerate(arrays)}
    return np.asarray(evaluator.run(None, feed)[0])


_EVALUATORS: dict[tuple[str, tuple[int, ...], str], ReferenceEvaluator] = {}


def _evaluator(
    op: str, kinds: tuple[int, ...], known_by: str, **attributes: Any
) -> ReferenceEvaluator:
    """One for each operator, types and attributes: making it takes longer than running it."""
    key = (op, kinds, known_by)
    if key not in _EVALUATORS:
        names = [f"x{i}" for i in range(len(kinds))]
        node = helper.make_node(op, names, ["y"], **attributes)
        infos = [
            helper.make_tensor_value_info(n, k, None) for n, k in zip(names, kinds, strict=True)
        ]
        result = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
        graph = helper.make_graph([node], op, infos, [result])
        _EVALUATORS[key] = ReferenceEvaluator(helper.make_model(graph, **VERSIONS))
    return _EVALUATORS[key]
