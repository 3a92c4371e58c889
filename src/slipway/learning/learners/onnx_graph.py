"""The end of every compiled model: the mean of its members, under the task's own name and shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slipway.problem.tasks import Output

if TYPE_CHECKING:
    import onnx

_OPSET, _ML_OPSET, _IR = 17, 3, 8  # old enough for every ONNX Runtime since 2022


def mean_of(nodes: Sequence[Any], members: Sequence[str], output: Output, features: int) -> onnx.ModelProto:
    """A graph that averages what ``nodes`` compute.

    Args:
        nodes: from the input ``features``, float32 of shape (rows, features), to each of ``members``.
        members: tensors of shape (rows, 1) or (rows, width).
        output: what the result is called, and its shape.
        features: how many there are.
    """
    from onnx import TensorProto, helper

    shape = helper.make_tensor(
        "shape", TensorProto.INT64, [1 + bool(output.width)], [-1, output.width][: 1 + bool(output.width)]
    )
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("Mean", list(members), ["mean"]),
            helper.make_node("Reshape", ["mean", "shape"], [output.name]),
        ],
        "ensemble",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info(output.name, TensorProto.FLOAT, [None, output.width][: 1 + bool(output.width)])],
        initializer=[shape],
    )
    return helper.make_model(
        graph,
        producer_name="slipway",
        ir_version=_IR,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)],
    )
