"""The protocol of a detector's network, and networks in torch; ONNX: `onnx_network.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.detection.boxes import Floats
from models.transfer import DeviceArray, Transfer, make_transfer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Signature:
    """A network's input and outputs; None for an open dimension."""

    batch_size: int | None
    height: int | None
    width: int | None
    output_names: list[str]
    extra_inputs: list[str] = field(default_factory=list)
    """Names of the inputs beside the pictures."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What the file's exporter wrote into it."""
    takes_bytes: bool = False
    """Whether the input is bytes of 0 to 255."""


class Part(NamedTuple):
    """The outputs of one run of the network."""

    outputs: list[Floats]
    size: int
    """Pictures in it; an output may have more rows, of padding."""


class Network(Protocol):
    """Runs batches on its device."""

    signature: Signature
    transfer: Transfer
    """Copies arrays to the device."""

    def upload(self, pixels: Floats) -> Any:
        """Start copying (B, 3, H, W) float32 to the device, for any B >= 1; on any thread."""
        ...

    def run(self, uploaded: Any) -> list[Part]:
        """Run the network and return its outputs on the host; on the device's thread."""
        ...

    def run_one_by_one(self) -> None:
        """From now on, give each picture a run: the network takes no more at a time."""
        ...

    def close(self) -> None:
        """End its threads, if it has any."""
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

    def run_one_by_one(self) -> None:
        """Do nothing: a module takes any batch."""

    def close(self) -> None:
        """Do nothing: it has no threads."""

    def run(self, uploaded: DeviceArray) -> list[Part]:
        """Run the module and return its outputs on the host."""
        import torch

        with torch.inference_mode():
            outputs = self._module(uploaded.tensor())
        return [Part([o.float().cpu().numpy() for o in outputs], uploaded.shape[0])]


def write_planes(
    image: npt.NDArray[np.uint8],
    scale: Sequence[float],
    shift: Sequence[float],
    is_bgr: bool,
    planes: Floats,
) -> None:
    """Write a picture (H, W, 3) uint8 RGB into its row (3, H, W) of a batch.

    Args:
        image: the picture.
        scale: for each channel, in the network's order, the factor for gray levels of 0 to 255.
        shift: for each channel, what is added after that.
        is_bgr: whether the network takes blue first.
        planes: where to write.
    """
    channels = image.transpose(2, 0, 1)
    factors = np.array(scale, np.float32)[:, None, None]
    np.multiply(channels[::-1] if is_bgr else channels, factors, out=planes)
    if any(shift):
        planes += np.array(shift, np.float32)[:, None, None]
