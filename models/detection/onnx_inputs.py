"""The inputs of a detector's ONNX file: pictures, and what some families want beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.detection.boxes import Floats

#: ONNX element types that pictures may have, and their NumPy types.
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}
_EXTRA_DTYPES: dict[str, type[np.generic]] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(bool)": np.bool_,
}
_SIZES, _MASK = "orig_target_sizes", "pixel_mask"
_COLORS = 3


@dataclass(frozen=True)
class PictureInput:
    """The input that takes pictures; None for an open dimension."""

    name: str
    batch_size: int | None
    height: int | None
    width: int | None
    dtype: type[np.generic]
    is_channels_last: bool
    """(B, H, W, 3), as TensorFlow has it, instead of (B, 3, H, W)."""
    has_batch_axis: bool

    def convert(self, pixels: Floats) -> npt.NDArray[Any]:
        """Return pixels (B, 3, H, W) in the network's order of axes and type, contiguous."""
        if self.dtype is np.uint8:
            pixels = np.rint(pixels)
        ordered = pixels.transpose(0, 2, 3, 1) if self.is_channels_last else pixels
        return np.ascontiguousarray(ordered, self.dtype)

    def shape_of(self, converted: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that the network takes a converted batch of that shape in."""
        return converted if self.has_batch_axis else converted[1:]

    def size_of(self, converted: tuple[int, ...]) -> tuple[int, int, int]:
        """Return pictures, height and width of a converted batch of that shape."""
        height, width = converted[1:3] if self.is_channels_last else converted[2:4]
        return converted[0], height, width


@dataclass(frozen=True)
class ExtraInput:
    """An input beside the pictures."""

    name: str
    shape: list[int | None]
    dtype: type[np.generic]


def extra_values(extra: ExtraInput, size: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Return what an extra input takes for a batch of `size`: pictures, height, width.

    - `orig_target_sizes` (B, 2): width and height to multiply boxes by: those of the input, so
      that boxes are in its pixels.
    - `pixel_mask` (B, H, W): ones, all of the input is picture.
    """
    count, height, width = size
    if extra.name == _SIZES:
        return np.tile(np.array([width, height], extra.dtype), (count, 1))
    rows, columns = extra.shape[1] or height, extra.shape[2] or width
    return np.ones((count, rows, columns), extra.dtype)


def read_inputs(session: Any, path: Path) -> tuple[PictureInput, list[ExtraInput]]:
    """Return the input for pictures and the others.

    Raises:
        ModelError: the inputs are not those of a detector.
    """
    nodes = session.get_inputs()
    pictures = [picture for node in nodes if (picture := _picture_input(node)) is not None]
    extras = [extra for node in nodes if (extra := _extra_input(node)) is not None]
    if len(pictures) != 1 or len(pictures) + len(extras) != len(nodes):
        inputs = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes)
        raise ModelError(
            f"model file {path}: its inputs are {inputs or 'none'}: a detector takes one "
            "float [batch, 3, height, width] (float16, uint8 and [batch, height, width, 3] work "
            f"as well), and beside it only {_SIZES} or {_MASK}"
        )
    return pictures[0], extras


def _picture_input(node: Any) -> PictureInput | None:
    dims = [_fixed(n) for n in node.shape]
    if node.type not in _DTYPES or len(dims) not in (3, 4):
        return None
    has_batch_axis = len(dims) == 4
    batch_size, *rest = dims if has_batch_axis else [1, *dims]
    dtype = _DTYPES[node.type]
    # optimum leaves even the number of channels open, but names it.
    is_channels = rest[0] == _COLORS or "channels" in str(node.shape[-3])
    if is_channels and (has_batch_axis or rest[0] == _COLORS):
        return PictureInput(node.name, batch_size, rest[1], rest[2], dtype, False, has_batch_axis)
    if has_batch_axis and rest[2] == _COLORS:
        return PictureInput(node.name, batch_size, rest[0], rest[1], dtype, True, True)
    return None


def _extra_input(node: Any) -> ExtraInput | None:
    shape = [_fixed(n) for n in node.shape]
    rank = {_SIZES: 2, _MASK: 3}.get(node.name)
    if rank != len(shape) or node.type not in _EXTRA_DTYPES:
        return None
    return ExtraInput(node.name, shape, _EXTRA_DTYPES[node.type])


def _fixed(dimension: object) -> int | None:
    return dimension if isinstance(dimension, int) and dimension > 0 else None
