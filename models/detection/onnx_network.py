"""A detector's network in ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.base import ModelError
from models.detection.boxes import Floats
from models.detection.networks import Signature
from models.transfer import DeviceArray, make_transfer
from models.weights import onnx_reason

#: ONNX element types that a detector's input may have, and their NumPy types.
_DTYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
_FATAL_ONLY = 4  # ONNX Runtime raises the errors that it logs: report them once


@dataclass(frozen=True)
class _Uploaded:
    """A batch, cut to the batch size that the file takes."""

    parts: Sequence[DeviceArray]
    """One, or several if the file fixes the batch size; the last one is then padded."""
    size: int
    """Pictures in the batch."""


class OnnxNetwork:
    """An ONNX file in ONNX Runtime; its input is copied to the device before it runs."""

    def __init__(self, path: Path, device: str, threads: int) -> None:
        self._session = _open_session(path, device, threads)
        self.signature = _signature(self._session, path)
        node = self._session.get_inputs()[0]
        self._input_name: str = node.name
        self._output_names = [output.name for output in self._session.get_outputs()]
        self._dtype = _DTYPES[node.type]
        kind, _, index = device.partition(":")
        self._place = (kind, int(index or 0))
        self.transfer = make_transfer(device)

    def upload(self, pixels: Floats) -> _Uploaded:
        """Start copying the pixels, in parts if the file fixes the batch size."""
        parts = self._parts(pixels.astype(self._dtype, copy=False))
        sent = [self.transfer.upload(_padded(part, size)) for part, size in parts]
        return _Uploaded(sent, len(pixels))

    def run(self, uploaded: _Uploaded) -> list[Floats]:
        """Run the file and return its outputs on the host."""
        runs = [self._run_part(part) for part in uploaded.parts]
        if len(runs) == 1:
            return [output[: uploaded.size] for output in runs[0]]
        return [np.concatenate(outputs)[: uploaded.size] for outputs in zip(*runs, strict=True)]

    def _parts(self, pixels: Floats) -> Iterator[tuple[Floats, int]]:
        """Yield each part of a batch and the size that it has to be padded to."""
        size = self.signature.batch_size or len(pixels)
        for start in range(0, len(pixels), size):
            yield pixels[start : start + size], size

    def _run_part(self, part: DeviceArray) -> list[Floats]:
        binding = self._session.io_binding()
        binding.bind_input(self._input_name, *self._place, part.dtype, part.shape, part.address())
        for name in self._output_names:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return [o.astype(np.float32, copy=False) for o in binding.copy_outputs_to_cpu()]


def _padded(pixels: Any, size: int) -> Any:
    missing = size - len(pixels)
    if missing == 0:
        return pixels
    return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), pixels.dtype)])


def _open_session(path: Path, device: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
    # Threads that spin while they wait take the cores from the other models of the process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY
    providers = _providers(device)
    if device != "cpu":
        # Loads the CUDA libraries that pip installed outside of the loader's path. Its output and
        # ONNX Runtime's log are silenced: the error below reports a failure.
        onnxruntime.set_default_logger_severity(_FATAL_ONLY)
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        raise ModelError(f"model file {path}: {onnx_reason(error)}") from error
    if device != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
        raise ModelError(
            f"device {device}: ONNX Runtime can't use CUDA here (no driver, no CUDA libraries or "
            "no such device): install the extra penstock[gpu], or use device cpu"
        )
    return session


def _providers(device: str) -> Sequence[str | tuple[str, dict[str, str]]]:
    kind, _, index = device.partition(":")
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if kind != "cuda" or not (index or "0").isdecimal():
        raise ModelError(f"device {device!r}: expected cpu or cuda:N, such as cuda:0")
    return [("CUDAExecutionProvider", {"device_id": index or "0"}), "CPUExecutionProvider"]


def _signature(session: Any, path: Path) -> Signature:
    """Read the shapes of the file's input and outputs.

    Raises:
        ModelError: the input is not one batch of three-channel pictures.
    """
    nodes = session.get_inputs()
    shapes = [list(node.shape) for node in nodes]
    types = [node.type for node in nodes]
    if len(nodes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3 or types[0] not in _DTYPES:
        inputs = ", ".join(f"{kind} {shape}" for kind, shape in zip(types, shapes, strict=True))
        raise ModelError(
            f"model file {path}: its inputs are {inputs or 'none'}: a detector takes one "
            "float [batch, 3, height, width]"
        )
    batch_size, _, height, width = (_fixed(n) for n in shapes[0])
    outputs = [[_fixed(n) for n in node.shape] for node in session.get_outputs()]
    return Signature(batch_size, height, width, outputs)


def _fixed(dimension: object) -> int | None:
    return dimension if isinstance(dimension, int) and dimension > 0 else None
