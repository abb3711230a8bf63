from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from models.base import ModelError
from models.export.precision import behind_last_weights, to_int8


def graph() -> onnx.GraphProto:
    """Two convolutions, and a tail that makes boxes."""
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["a"], "first"),
        onnx.helper.make_node("Relu", ["a"], ["b"], "between"),
        onnx.helper.make_node("Conv", ["b", "w"], ["c"], "last"),
        onnx.helper.make_node("Exp", ["c"], ["d"], "tail"),
        onnx.helper.make_node("Mul", ["d", "c"], ["boxes"], "end"),
    ]
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 4, 4])
    return onnx.helper.make_graph(nodes, "g", [value], [])


def test_what_follows_the_last_weights_is_found() -> None:
    assert behind_last_weights(graph()) == ["tail", "end"]


def test_calibration_needs_inputs(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="name them with --calibrate"):
        to_int8(tmp_path / "a.onnx", tmp_path / "b.onnx", [])
