"""What runs a detector's network: an ONNX Runtime session, or a torch module."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.detection.boxes import Floats

if TYPE_CHECKING:
    import torch

#: ONNX element types that a detector may ask for, and what they are here.
_DTYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}
_FATAL_ONLY = 4  # ONNX Runtime also raises what it logs as an error: say it once


@dataclass(frozen=True)
class Signature:
    """What a network takes and gives; None where the file leaves a dimension open."""

    batch_size: int | None
    height: int | None
    width: int | None
    output_shapes: list[list[int | None]]


class Network(Protocol):
    """Runs a batch on its device."""

    signature: Signature

    def run(self, pixels: Floats) -> list[Floats]:
        """Return the outputs for (B, 3, H, W) float32; any B >= 1."""
        ...


class OnnxNetwork:
    """An ONNX file in ONNX Runtime."""

    def __init__(self, path: Path, device: str, threads: int) -> None:
        self._session = _open_session(path, device, threads)
        self.signature = _signature(self._session, path)
        node = self._session.get_inputs()[0]
        self._input_name: str = node.name
        self._dtype = _DTYPES[node.type]

    def run(self, pixels: Floats) -> list[Floats]:
        """Return the outputs; a fixed batch size is served part by part, the last one padded."""
        size = self.signature.batch_size
        if size is None:
            return self._run_once(pixels)
        parts = [self._run_padded(pixels[i : i + size], size) for i in range(0, len(pixels), size)]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _run_padded(self, pixels: Floats, size: int) -> list[Floats]:
        count = len(pixels)
        if count < size:
            pixels = np.concatenate(
                [pixels, np.zeros((size - count, *pixels.shape[1:]), np.float32)]
            )
        return [output[:count] for output in self._run_once(pixels)]

    def _run_once(self, pixels: Floats) -> list[Floats]:
        outputs = self._session.run(
            None, {self._input_name: pixels.astype(self._dtype, copy=False)}
        )
        return [output.astype(np.float32, copy=False) for output in outputs]


class TorchNetwork:
    """A torch module that maps (B, 3, H, W) to several tensors."""

    def __init__(self, module: torch.nn.Module, signature: Signature, device: str) -> None:
        import torch

        if device != "cpu" and not torch.cuda.is_available():
            raise ModelError(f"device {device}: torch finds no CUDA device here: use device cpu")
        self._module = module.eval().to(device)
        self._device = device
        self.signature = signature

    def run(self, pixels: Floats) -> list[Floats]:
        """Return the outputs, on the host."""
        import torch

        with torch.inference_mode():
            outputs = self._module(torch.from_numpy(pixels).to(self._device))
        return [output.float().cpu().numpy() for output in outputs]


def file_version(path: Path) -> str:
    """Return the first 12 hex digits of a file's SHA-256, so that results name what made them.

    Raises:
        ModelError: the file is absent or can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"model file {path}: {reason}: correct the model's path") from error


def _open_session(path: Path, device: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
    # Threads that spin while they wait take the cores from every other model of the process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY
    providers = _providers(device)
    if device != "cpu":
        # Finds the CUDA libraries that pip installed, which no loader path names; what it and
        # ONNX Runtime would log of a failure is told by the error below.
        onnxruntime.set_default_logger_severity(_FATAL_ONLY)
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions share no other base
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"model file {path}: not an ONNX model that ONNX Runtime can run: {reason}"
        ) from error
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
    """Read what the file declares.

    Raises:
        ModelError: it does not take one batch of three-channel pictures.
    """
    nodes = session.get_inputs()
    shapes = [list(node.shape) for node in nodes]
    types = [node.type for node in nodes]
    if len(nodes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3 or types[0] not in _DTYPES:
        found = ", ".join(f"{kind} {shape}" for kind, shape in zip(types, shapes, strict=True))
        raise ModelError(
            f"model file {path}: its inputs are {found or 'none'}: a detector takes one "
            "float [batch, 3, height, width]"
        )
    batch_size, _, height, width = (_fixed(n) for n in shapes[0])
    outputs = [[_fixed(n) for n in node.shape] for node in session.get_outputs()]
    return Signature(batch_size, height, width, outputs)


def _fixed(dimension: object) -> int | None:
    return dimension if isinstance(dimension, int) and dimension > 0 else None


def batch_of(images: Sequence[npt.NDArray[np.uint8]], scale: float, is_bgr: bool) -> Floats:
    """Stack B pictures (H, W, 3) uint8 RGB into (B, 3, H, W) float32, multiplied by `scale`."""
    height, width = images[0].shape[:2]
    pixels = np.empty((len(images), 3, height, width), np.float32)
    # Picture by picture: one multiplication over the whole transposed stack takes nine times as
    # long, because it no longer walks through memory in order.
    for row, image in zip(pixels, images, strict=True):
        planes = image.transpose(2, 0, 1)
        np.multiply(planes[::-1] if is_bgr else planes, np.float32(scale), out=row)
    return pixels
