"""A small model server for tests that need no real one: the linear model of `linear_onnx.py`."""

from __future__ import annotations

import json
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np

_METADATA = {
    "name": "linear",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [
        {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "total", "datatype": "FP32", "shape": [-1, 1]},
    ],
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_there = self.path == "/v2/models/linear"
        self._answer(
            200 if is_there else 404, _METADATA if is_there else {"error": "no such model"}
        )

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (tensor,) = request["inputs"]
        rows = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
        with np.errstate(over="ignore"):
            y = rows @ np.array([[1, 2], [10, 20]], np.float32)
            outputs = [_tensor("y", y), _tensor("total", y.sum(1, keepdims=True))]
        self._answer(200, {"model_name": "linear", "model_version": "7", "outputs": outputs})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def _tensor(name: str, values: Any) -> dict[str, Any]:
    return {
        "name": name, "datatype": "FP32", "shape": list(values.shape), "data": values.tolist(),
    }  # fmt: skip


@lru_cache(maxsize=1)
def linear_server() -> str:
    """Return the URL of a server that runs until the process ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
