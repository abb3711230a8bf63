"""Image networks with any order of axes: a torch module, or an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from models.base import ModelError
from models.onnx_session import open_session
from models.transfer import DeviceArray, Transfer, make_transfer
from models.vision.cuda_graphs import CudaGraphs
from models.vision.image_input import Floats

if TYPE_CHECKING:
    import torch

#: The option `precision` -> torch's name of the type.
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


class ImageNetwork(Protocol):
    """Runs batches on its device."""

    transfer: Transfer
    """Copies arrays to the device."""

    def upload(self, pixels: Floats) -> Any:
        """Start copying B >= 1 rows to the device; on any thread."""
        ...

    def run(self, uploaded: Any) -> list[Any]:
        """Run the network and return its outputs, B rows each; on the device's thread."""
        ...


class TorchImages:
    """A torch module in eval mode; its outputs stay tensors on the device."""

    def __init__(
        self,
        module: torch.nn.Module,
        device: str,
        forward: Callable[..., Any] | None = None,
        precision: str = "fp32",
        cuda_graphs: bool = False,
    ) -> None:
        """Take a module.

        Args:
            module: maps (B, 3, H, W) to a tensor, or to what `forward` reads.
            device: `cpu` or `cuda:N`.
            forward: maps module and pixels to a list of tensors with B rows each.
            precision: of `PRECISIONS`: the type of its convolutions and matrix products.
            cuda_graphs: replay each batch size's kernels as one launch; only on a GPU.
        """
        import torch

        if device != "cpu" and not torch.cuda.is_available():
            raise ModelError(f"device {device}: torch finds no CUDA device here: use device cpu")
        self._is_gpu, self._dtype = device != "cpu", getattr(torch, PRECISIONS[precision])
        module = module.eval().to(device)
        # Tensor cores read the channels of a pixel together; on the CPU it depends on the network.
        self._module = module.to(memory_format=torch.channels_last) if self._is_gpu else module
        self._forward = forward or (lambda net, pixels: [net(pixels)])
        self.transfer = make_transfer(device)
        self._run = CudaGraphs(self._compute).run if cuda_graphs and self._is_gpu else self._compute

    def upload(self, pixels: Floats) -> DeviceArray:
        """Start copying the pixels to the device."""
        return self.transfer.upload(pixels)

    def run(self, uploaded: DeviceArray) -> list[Any]:
        """Run the module."""
        import torch

        with torch.inference_mode():
            return self._run(uploaded.tensor())

    def _compute(self, pixels: torch.Tensor) -> list[Any]:
        import torch

        if self._is_gpu:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        # A cache of converted weights would be outside of a captured graph.
        with torch.autocast(
            pixels.device.type, self._dtype, self._dtype != torch.float32, cache_enabled=False
        ):
            outputs: list[Any] = self._forward(self._module, pixels)
        return outputs


def check_precision(precision: str) -> str:
    """Return it.

    Raises:
        ValueError: not of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"precision is {precision!r}: expected one of {known}")
    return precision


@dataclass(frozen=True)
class PictureShape:
    """The picture input of an ONNX file; None for an open dimension."""

    batch_size: int | None
    channels: int
    height: int | None
    width: int | None
    is_channels_last: bool
    is_uint8: bool


class OnnxImages:
    """An ONNX file with one picture input, run in ONNX Runtime; outputs are NumPy arrays.

    A file with a fixed batch size is run in parts of that size; the last part is padded.
    """

    def __init__(self, path: Path, device: str, threads: int) -> None:
        """Open a file.

        Raises:
            ModelError: it can't be run, or its inputs are not one batch of pictures.
        """
        threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
        self._session = open_session(path, device, threads)
        self.picture = read_picture_input(self._session, path)
        node = self._session.get_inputs()[0]
        self._input_name: str = node.name
        self._dtype = _DTYPES[node.type]
        self.outputs: list[tuple[str, list[Any]]] = [
            (output.name, list(output.shape)) for output in self._session.get_outputs()
        ]
        self.metadata: dict[str, str] = dict(
            self._session.get_modelmeta().custom_metadata_map or {}
        )
        self.read_outputs = [name for name, _ in self.outputs]
        kind, _, index = device.partition(":")
        self._place = (kind, int(index or 0))
        self.transfer = make_transfer(device)

    def upload(self, pixels: Floats) -> tuple[list[DeviceArray], int]:
        """Start copying the rows, in parts if the file fixes the batch size."""
        rows = np.rint(pixels).clip(0, 255) if self.picture.is_uint8 else pixels
        rows = rows.astype(self._dtype, copy=False)
        size = self.picture.batch_size or len(rows)
        parts = [_padded(rows[start : start + size], size) for start in range(0, len(rows), size)]
        return [self.transfer.upload(part) for part in parts], len(rows)

    def run(self, uploaded: tuple[list[DeviceArray], int]) -> list[Any]:
        """Run the file and return the outputs named in `read_outputs`, on the host."""
        parts, size = uploaded
        runs = [self._run_part(part) for part in parts]
        return [np.concatenate(outputs)[:size] for outputs in zip(*runs, strict=True)]

    def _run_part(self, part: DeviceArray) -> list[Any]:
        binding = self._session.io_binding()
        binding.bind_input(self._input_name, *self._place, part.dtype, part.shape, part.address())
        for name in self.read_outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        outputs = binding.copy_outputs_to_cpu()
        return [_as_float32(output) for output in outputs]


def _as_float32(output: Any) -> Any:
    is_half = output.dtype in (np.float16, np.float64)
    return output.astype(np.float32) if is_half else output


def _padded(rows: Any, size: int) -> Any:
    missing = size - len(rows)
    if missing == 0:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])


def read_picture_input(session: Any, path: Path) -> PictureShape:
    """Return the shape of a file's only input.

    Raises:
        ModelError: it is not one batch of pictures with 1 or 3 channels, first or last.
    """
    nodes = session.get_inputs()
    found = ", ".join(f"{node.name}: {node.type} {node.shape}" for node in nodes) or "none"
    if len(nodes) == 1 and len(nodes[0].shape) == 4 and nodes[0].type in _DTYPES:
        batch, *dimensions = (_fixed(n) for n in nodes[0].shape)
        is_uint8 = nodes[0].type == "tensor(uint8)"
        for is_last, place in ((False, 0), (True, 2)):
            channels, other = dimensions[place], dimensions[2 - place]
            if channels in (1, 3) and other not in (1, 3):
                height, width = dimensions[:2] if is_last else dimensions[1:]
                return PictureShape(batch, channels or 3, height, width, is_last, is_uint8)
    raise ModelError(
        f"model file {path}: its inputs are {found}: expected one float or uint8 input "
        "[batch, channels, height, width] or [batch, height, width, channels] with 1 or 3 channels"
    )


def _fixed(dimension: object) -> int | None:
    return dimension if isinstance(dimension, int) and dimension > 0 else None


def require_one(candidates: Sequence[str], what: str, option: str, path: Path) -> str:
    """Return the only candidate.

    Raises:
        ModelError: there are several; the message lists them.
    """
    if len(candidates) == 1:
        return candidates[0]
    raise ModelError(
        f"model file {path}: {len(candidates)} outputs may be {what}: name one with the option "
        f"{option}: {', '.join(candidates)}"
    )
