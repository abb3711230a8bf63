"""From class scores of a small grid to the class of each pixel of the original frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
ClassMap: TypeAlias = npt.NDArray[np.int32]

#: Values computed at a time, so that a large frame with many classes needs little memory.
_MAX_VALUES = 4_000_000


def class_map(scores: Floats, height: int, width: int) -> ClassMap:
    """Return the best class of each pixel: scores are interpolated before the best is taken.

    The interpolation is bilinear between centers of cells, as `torch.nn.functional.interpolate`
    does it with `align_corners=False`.

    Args:
        scores: (C, h, w), class scores or probabilities.
        height: H of the frame, pixels.
        width: W of the frame, pixels.

    Returns:
        (H, W), each in 0 to C - 1.
    """
    if scores.shape[1:] == (height, width):
        best: ClassMap = scores.argmax(axis=0).astype(np.int32)
        return best
    result = np.empty((height, width), np.int32)
    for part, wide in interpolated(scores, height, width):
        result[part] = wide.argmax(axis=0)
    return result


def interpolated(scores: Floats, height: int, width: int) -> Iterator[tuple[slice, Floats]]:
    """Yield scores (C, h, w) at the size of a frame, some rows (C, r, W) at a time."""
    classes, rows, columns = scores.shape
    above, below, row_share = _neighbors(rows, height)
    left, right, column_share = _neighbors(columns, width)
    step = max(1, _MAX_VALUES // (classes * width))
    for start in range(0, height, step):
        part = slice(start, start + step)
        share = row_share[part, None]
        lines = scores[:, above[part]] * (1 - share) + scores[:, below[part]] * share
        sides = lines[:, :, left] * (1 - column_share), lines[:, :, right] * column_share
        yield part, np.add(*sides, dtype=np.float32)


def resize_map(classes: npt.NDArray[np.integer], height: int, width: int) -> ClassMap:
    """Return a map (h, w) of classes at another size, each pixel from the nearest cell."""
    rows = np.minimum((np.arange(height) + 0.5) * classes.shape[0] / height, classes.shape[0] - 1)
    columns = np.minimum((np.arange(width) + 0.5) * classes.shape[1] / width, classes.shape[1] - 1)
    nearest: ClassMap = classes[rows.astype(np.int64)[:, None], columns.astype(np.int64)].astype(
        np.int32
    )
    return nearest


def _neighbors(
    cells: int, pixels: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return for each pixel the cell before it, the cell after it, and the share of the latter."""
    places = np.clip((np.arange(pixels) + 0.5) * (cells / pixels) - 0.5, 0, cells - 1)
    before = places.astype(np.int64)
    return before, np.minimum(before + 1, cells - 1), (places - before).astype(np.float32)
