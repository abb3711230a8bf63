"""Opens ONNX files in ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.weights import onnx_reason

_FATAL_ONLY = 4  # ONNX Runtime raises the errors that it logs: report them once


def open_session(path: Path, device: str, threads: int) -> Any:
    """Return an ONNX Runtime session for a file.

    Args:
        path: the ONNX file; external data lies beside it.
        device: `cpu`, or `cuda:0`, `cuda:1` ...
        threads: of one operator on the CPU; 0: one for each core.

    Raises:
        ModelError: the file can't be read, or the device can't be used.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
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
