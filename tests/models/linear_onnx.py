"""Write an ONNX file with one matrix product, for tests of tabular models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def save_linear(
    path: Path, batch: int | str = "B", width: int = 2, element: int = TensorProto.FLOAT
) -> str:
    """Save y = x [[1, 2], [10, 20]] (B, 2) and its row sums (B, 1), and return the path."""
    weights = np.array([[1, 2], [10, 20]], dtype=np.float32)[:width]
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["total"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", element, [batch, width])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, [batch, 1]),
        ],
        [
            onnx.numpy_helper.from_array(weights, "w"),
            onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return str(path)
