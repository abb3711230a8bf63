"""KServe's own model server with models for the tests; run in an environment of its own.

python server.py HTTP_PORT GRPC_PORT
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Named(Model):  # type: ignore[misc]
    """A model that is ready at once, with one input."""

    datatype: ClassVar[str] = "FP32"
    shape: ClassVar[list[int]] = [-1, 2]
    outputs: ClassVar[list[tuple[str, str, list[int]]]] = [("total", "FP32", [-1, 1])]

    def __init__(self) -> None:
        super().__init__(type(self).__name__.lower())
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": "x", "datatype": self.datatype, "shape": list(self.shape)}]

    def get_output_types(self) -> list[dict[str, Any]]:
        return [{"name": n, "datatype": d, "shape": s} for n, d, s in self.outputs]

    def answer(self, **outputs: Any) -> InferResponse:
        made = []
        for name, values in outputs.items():
            datatype = next(d for n, d, _ in self.outputs if n == name)
            output = InferOutput(name, list(values.shape), datatype)
            output.set_data_from_numpy(values, binary_data=False)
            made.append(output)
        return InferResponse("1", self.name, made, model_version="7")


class Linear(Named):
    """y = x [[1, 2], [10, 20]], and its row sums; refuses rows with 13."""

    outputs: ClassVar = [("y", "FP32", [-1, 2]), ("total", "FP32", [-1, 1])]

    def predict(self, payload: InferRequest, headers: Any = None) -> InferResponse:
        x = payload.inputs[0].as_numpy().astype(np.float32)
        if (x == 13).any():
            raise ValueError("13 brings bad luck")
        y = x @ np.array([[1, 2], [10, 20]], np.float32)
        return self.answer(y=y, total=y.sum(1, keepdims=True))


class Lengths(Named):
    """The length of each text, and the text in capitals."""

    datatype, shape = "BYTES", (-1,)
    outputs: ClassVar = [("length", "INT64", [-1]), ("loud", "BYTES", [-1])]

    def predict(self, payload: InferRequest, headers: Any = None) -> InferResponse:
        texts = [t.decode() if isinstance(t, bytes) else t for t in payload.inputs[0].as_numpy()]
        loud = np.array([text.upper().encode() for text in texts], dtype=object)
        return self.answer(length=np.array([len(text) for text in texts], np.int64), loud=loud)


class Single(Linear):
    """Takes one row at a time."""

    shape: ClassVar = [1, 2]

    def predict(self, payload: InferRequest, headers: Any = None) -> InferResponse:
        if payload.inputs[0].shape[0] != 1:
            raise ValueError("expected one row")
        return super().predict(payload, headers)


class Summary(Named):
    """Answers with one number for the whole batch: not what a stream needs."""

    def predict(self, payload: InferRequest, headers: Any = None) -> InferResponse:
        return self.answer(total=payload.inputs[0].as_numpy().sum(keepdims=True))


if __name__ == "__main__":
    http_port, grpc_port = map(int, sys.argv[1:])
    server = ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1)
    server.start([Linear(), Lengths(), Single(), Summary()])
