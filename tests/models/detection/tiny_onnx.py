"""Write ONNX files of a few nodes, for tests of reading model files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Side of the pictures that these networks take, pixels.
SIDE = 32


def write_brightness_detector(path: Path, batch: int | str = "batch", half: bool = False) -> None:
    """Write an end-to-end detector of one class: the whole picture, scored by its mean gray."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    box = np.array([[[0, 0, SIDE, SIDE]]], np.float16 if half else np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "score_shape"], ["scores"]),
        helper.make_node("Mul", ["scores", "nought"], ["noughts"]),
        helper.make_node("Add", ["noughts", "box"], ["boxes"]),
    ]
    constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "score_shape": np.array([-1, 1, 1], np.int64),
        "nought": np.zeros(1, box.dtype),
        "box": box,
    }
    outputs = [
        helper.make_tensor_value_info("boxes", kind, [batch, 1, 4]),
        helper.make_tensor_value_info("scores", kind, [batch, 1, 1]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", kind, [batch, 3, SIDE, SIDE])]
    _write(path, nodes, inputs, outputs, constants)


def write_tabular_model(path: Path) -> None:
    """Write a model that takes rows of numbers: no detector."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])]
    _write(path, [helper.make_node("Identity", ["x"], ["y"])], inputs, outputs, {})


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
) -> None:
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
