"""The protocol of a detector's network, and networks in torch; ONNX: `onnx_network.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.detection.boxes import Floats
from models.transfer import DeviceArray, Transfer, make_transfer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Signature:
    """The shapes of a network's input and outputs; None for an open dimension."""

    batch_size: int | None
    height: int | None
    width: int | None
    output_shapes: list[list[int | None]]


class Network(Protocol):
    """Runs batches on its device."""

    signature: Signature
    transfer: Transfer
    """Copies arrays to the device."""

    def upload(self, pixels: Floats) -> Any:
        """Start copying (B, 3, H, W) float32 to the device, for any B >= 1; on any thread."""
        ...

    def run(self, uploaded: Any) -> list[Floats]:
        """Run the network and return its outputs on the host; on the device's thread."""
        ...


class TorchNetwork:
    """A torch module that maps (B, 3, H, W) to several tensors."""

    def __init__(self, module: torch.nn.Module, signature: Signature, device: str) -> None:
        import torch

        if device != "cpu" and not torch.cuda.is_available():
            raise ModelError(f"device {device}: torch finds no CUDA device here: use device cpu")
        self._module = module.eval().to(device)
        self.signature = signature
        self.transfer = make_transfer(device)

    def upload(self, pixels: Floats) -> DeviceArray:
        """Start copying the pixels to the device."""
        return self.transfer.upload(pixels)

    def run(self, uploaded: DeviceArray) -> list[Floats]:
        """Run the module and return its outputs on the host."""
        import torch

        with torch.inference_mode():
            outputs = self._module(uploaded.tensor())
        return [output.float().cpu().numpy() for output in outputs]


def write_planes(image: npt.NDArray[np.uint8], scale: float, is_bgr: bool, planes: Floats) -> None:
    """Write a picture (H, W, 3) uint8 RGB, multiplied by `scale`, into its row (3, H, W)."""
    channels = image.transpose(2, 0, 1)
    np.multiply(channels[::-1] if is_bgr else channels, np.float32(scale), out=planes)
