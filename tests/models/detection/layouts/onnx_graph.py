"""Build small ONNX networks whose outputs depend on the picture, for tests of detector layouts.

A network averages the picture over 4 x 4 fields, multiplies the 48 averages by a fixed random
matrix, and gets raw numbers (B, n, d); each test file turns these into the outputs of a family.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: The networks' input, pixels. The sides differ, so that no test passes with them swapped.
HEIGHT, WIDTH = 64, 96
#: Cells of the grids of strides 8, 16 and 32.
NUM_CELLS = 8 * 12 + 4 * 6 + 2 * 3
#: Classes of all families here.
NUM_CLASSES = 3

_FIELDS = 4
_TYPES = {"float": TensorProto.FLOAT, "half": TensorProto.FLOAT16, "byte": TensorProto.UINT8}


class Graph:
    """Collects the nodes of a network.

    Args:
        batch: the batch size in the file: a name for an open one, a number, or None: the input
            has no batch axis.
        kind: of the pictures: `float`, `half` (and so are the outputs), or `byte`.
        channels_last: the input is (B, H, W, 3).
        largest: what white is in the input.
        inner_batch: the batch size that the graph reshapes to, whatever the file declares.
    """

    def __init__(
        self,
        batch: int | str | None = "batch",
        kind: str = "float",
        channels_last: bool = False,
        largest: float = 1.0,
        inner_batch: int = -1,
    ) -> None:
        self.batch, self.kind, self.inner_batch = batch, kind, inner_batch
        sides: list[int | str] = [HEIGHT, WIDTH, 3] if channels_last else [3, HEIGHT, WIDTH]
        shape = sides if batch is None else [batch, *sides]
        self.inputs = [helper.make_tensor_value_info("images", _TYPES[kind], shape)]
        self.outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.averages = self._averages(channels_last, largest)

    def _averages(self, channels_last: bool, largest: float) -> str:
        pixels = self.op("Cast", "images", to=TensorProto.FLOAT)
        if self.batch is None:
            pixels = self.op("Unsqueeze", pixels, self.constant(np.array([0])))
        if channels_last:
            pixels = self.op("Transpose", pixels, perm=[0, 3, 1, 2])
        field = [HEIGHT // _FIELDS, WIDTH // _FIELDS]
        pooled = self.op("AveragePool", pixels, kernel_shape=field, strides=field)
        flat = self.op("Flatten", pooled)
        return self.op("Sub", self.op("Div", flat, self.number(largest)), self.number(0.5))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: np.ndarray[Any, Any]) -> str:
        """Add a constant, and return its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def constant_of(self, shape: list[int]) -> str:
        """Add a shape, and return its name."""
        return self.constant(np.array(shape, np.int64))

    def number(self, value: float) -> str:
        """Add a float32 number, and return its name."""
        return self.constant(np.array(value, np.float32))

    def raw(self, n: int, d: int, seed: int) -> str:
        """Return (B, n, d): normal numbers of about 1 that follow the picture."""
        rng = np.random.default_rng(seed)
        weights = self.constant(rng.normal(0, 0.5, (48, n * d)).astype(np.float32))
        bias = self.constant(rng.normal(0, 0.7, n * d).astype(np.float32))
        sums = self.op("Add", self.op("MatMul", self.averages, weights), bias)
        return self.op("Reshape", sums, self.constant(np.array([self.inner_batch, n, d])))

    def logistic(self, x: str, gain: float = 2.0, offset: float = 0.0) -> str:
        """Return the sigmoid of gain * x + offset."""
        return self.op("Sigmoid", self.linear(x, gain, offset))

    def linear(self, x: str, gain: Any, offset: Any = 0.0) -> str:
        """Return gain * x + offset."""
        scaled = self.op("Mul", x, self.constant(np.array(gain, np.float32)))
        return self.op("Add", scaled, self.constant(np.array(offset, np.float32)))

    def centered_shares(self, n: int, seed: int) -> str:
        """Return boxes (B, n, 4): center and size as shares of the input's sides."""
        center = self.logistic(self.raw(n, 2, seed))
        sides = self.linear(self.logistic(self.raw(n, 2, seed + 1)), 0.3, 0.1)
        return self.op("Concat", center, sides, axis=2)

    def centered_pixels(self, n: int, seed: int) -> str:
        """Return boxes (B, n, 4): center and size in pixels of the input."""
        return self.linear(self.centered_shares(n, seed), [WIDTH, HEIGHT] * 2)

    def corner_shares(self, n: int, seed: int) -> str:
        """Return boxes (B, n, 4) xyxy as shares of the input's sides."""
        center = self.logistic(self.raw(n, 2, seed))
        half = self.linear(self.logistic(self.raw(n, 2, seed + 1)), 0.15, 0.05)
        low, high = self.op("Sub", center, half), self.op("Add", center, half)
        return self.op("Concat", low, high, axis=2)

    def corner_pixels(self, n: int, seed: int) -> str:
        """Return boxes (B, n, 4) xyxy in pixels of the input."""
        return self.linear(self.corner_shares(n, seed), [WIDTH, HEIGHT] * 2)

    def scores(self, n: int, d: int, seed: int) -> str:
        """Return (B, n, d): probabilities, few of them high."""
        return self.logistic(self.raw(n, d, seed), 2.0, -2.0)

    def classes(self, n: int, d: int, seed: int) -> str:
        """Return (B, n, d): class numbers from 0 as floats."""
        return self.op(
            "Floor", self.linear(self.logistic(self.raw(n, d, seed)), NUM_CLASSES - 0.01)
        )

    def output(self, x: str, name: str, shape: list[Any], element: int | None = None) -> None:
        """Give a value out under a name; None as a type: that of the pictures."""
        if element is None:
            element = TensorProto.FLOAT16 if self.kind == "half" else TensorProto.FLOAT
        self._nodes.append(helper.make_node("Cast", [x], [name], to=element))
        self.outputs.append(helper.make_tensor_value_info(name, element, shape))

    def save(self, path: Path, metadata: dict[str, str] | None = None) -> Path:
        """Write the file, and return its path."""
        graph = helper.make_graph(self._nodes, "test", self.inputs, self.outputs, self._constants)
        opset = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        helper.set_model_props(model, metadata or {})
        onnx.save(model, path)
        return path
