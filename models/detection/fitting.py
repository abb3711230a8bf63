"""Resize pictures to a network's input size, and map boxes back to the original."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from models.detection.boxes import Floats, clip_boxes
from models.images import Pixels

#: Gray level of a letterbox's padding, as in YOLOv5 and its successors.
PADDING_GRAY = 114


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


def letterboxed_size(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of a picture that fits (height, width) with its aspect kept."""
    scale = min(height / rows, width / columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def fit_centered(rows: int, columns: int, size: tuple[int, int], height: int, width: int) -> Fit:
    """Return the fit of a picture that is resized to `size` and centered in (height, width)."""
    new_rows, new_columns = size
    top, left = (height - new_rows) // 2, (width - new_columns) // 2
    return Fit(columns, rows, new_columns / columns, new_rows / rows, left, top)


def stretch(image: Pixels, height: int, width: int) -> tuple[Pixels, Fit]:
    """Resize (H, W, 3) to (height, width, 3) without keeping the aspect ratio."""
    rows, columns = image.shape[:2]
    fit = fit_centered(rows, columns, (height, width), height, width)
    return _resize(image, height, width), fit


def letterbox(image: Pixels, height: int, width: int) -> tuple[Pixels, Fit]:
    """Resize (H, W, 3) to fit (height, width, 3) with its aspect kept; pad the rest with gray."""
    rows, columns = image.shape[:2]
    new_rows, new_columns = letterboxed_size(rows, columns, height, width)
    fit = fit_centered(rows, columns, (new_rows, new_columns), height, width)
    top, left = fit.offset_y, fit.offset_x
    padded = np.full((height, width, 3), PADDING_GRAY, np.uint8)
    padded[top : top + new_rows, left : left + new_columns] = _resize(image, new_rows, new_columns)
    return padded, fit


def _resize(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
