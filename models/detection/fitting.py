"""Resize pictures to a network's input size, and map boxes back to the original."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from PIL import Image

from models.detection.boxes import Floats, clip_boxes
from models.images import Pixels

#: Gray level of a letterbox's padding, as in YOLOv5 and its successors.
PADDING_GRAY = 114


class Fitting(Enum):
    """How a picture is brought to the size of a network's input."""

    LETTERBOX = "letterbox"
    """Its aspect is kept, and it is centered on gray."""
    CORNER = "corner"
    """Its aspect is kept, and it is at the top left of a gray canvas."""
    STRETCH = "stretch"
    """Its aspect is not kept."""


@dataclass(frozen=True)
class Fit:
    """How a picture was resized to a network's input: network = original * scale + offset."""

    width: int
    """Width of the original, pixels."""
    height: int
    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int

    def to_original(self, boxes: Floats) -> Floats:
        """Map boxes (n, 4) from network pixels to pixels of the original, and clip them to it."""
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return clip_boxes((boxes - offset) / scale, self.width, self.height)

    def of_larger(self, width: int, height: int, divisor: int) -> Fit:
        """Return the fit for the original, of which this was decoded `divisor` times smaller."""
        return replace(
            self,
            width=width,
            height=height,
            scale_x=self.scale_x / divisor,
            scale_y=self.scale_y / divisor,
        )


def letterboxed_size(
    rows: int, columns: int, height: int, width: int, margin: int = 0
) -> tuple[int, int]:
    """Return the rows and columns of a picture that fits (height, width) with its aspect kept.

    With a `margin` it stays that many pixels below both.
    """
    height, width = max(1, height - margin), max(1, width - margin)
    scale = min(height / rows, width / columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def _fit_resized(
    rows: int, columns: int, size: tuple[int, int], height: int, width: int, is_centered: bool
) -> Fit:
    """Return the fit of a picture that is resized to `size` and placed in (height, width)."""
    new_rows, new_columns = size
    top, left = (height - new_rows) // 2, (width - new_columns) // 2
    if not is_centered:
        top, left = 0, 0
    return Fit(columns, rows, new_columns / columns, new_rows / rows, left, top)


def stretch(image: Pixels, height: int, width: int) -> tuple[Pixels, Fit]:
    """Resize (H, W, 3) to (height, width, 3) without keeping the aspect ratio."""
    rows, columns = image.shape[:2]
    fit = _fit_resized(rows, columns, (height, width), height, width, True)
    return _resize(image, height, width), fit


def letterbox(
    image: Pixels,
    height: int,
    width: int,
    *,
    is_centered: bool = True,
    gray: int = PADDING_GRAY,
    margin: int = 0,
) -> tuple[Pixels, Fit]:
    """Resize (H, W, 3) to fit (height, width, 3) with its aspect kept; pad the rest with gray."""
    rows, columns = image.shape[:2]
    new_rows, new_columns = letterboxed_size(rows, columns, height, width, margin)
    fit = _fit_resized(rows, columns, (new_rows, new_columns), height, width, is_centered)
    top, left = fit.offset_y, fit.offset_x
    padded = np.full((height, width, 3), gray, np.uint8)
    padded[top : top + new_rows, left : left + new_columns] = _resize(image, new_rows, new_columns)
    return padded, fit


def _resize(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
