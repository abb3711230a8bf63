"""Gray pictures with more than 8 bits: which gray levels become black and white."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from models.images.picture import Pixels

#: None: the whole range of 16 bits. (low, high): these levels become black and white. "stretch":
#: the levels of each picture do, without its darkest and brightest 0.5 %.
GrayRange: TypeAlias = tuple[float, float] | Literal["stretch"] | None

_DEEPEST = 65_535
_LEFT_OUT_PERCENT = 0.5


def read_gray_range(option: str | Sequence[float] | None) -> GrayRange:
    """Return the gray range that an option of a model means.

    Raises:
        ValueError: it is none.
    """
    if option is None:
        return None
    if option == "stretch":
        return "stretch"
    if not isinstance(option, str) and len(option) == 2:
        low, high = (float(level) for level in option)
        if np.isfinite([low, high]).all() and low < high:
            return low, high
    raise ValueError(
        f"gray_range is {option!r}: expected [low, high], such as [0, 4095] for 12 bits, or stretch"
    )


def to_eight_bits(levels: npt.NDArray[Any], gray_range: GrayRange) -> Pixels:
    """Return gray levels (H, W), not empty, of any number type as 0 to 255, (H, W) uint8.

    Raises:
        ValueError: without a range: levels that are no whole numbers from 0 to 65,535.
    """
    if gray_range is None:
        if levels.dtype.kind == "f" or levels.min() < 0 or levels.max() > _DEEPEST:
            raise ValueError(_no_range(levels))
        return (levels.astype(np.uint32) >> 8).astype(np.uint8)
    low, high = _percentiles(levels) if gray_range == "stretch" else gray_range
    scaled = (levels.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    return np.nan_to_num(scaled).clip(0, 255).round().astype(np.uint8)


def _percentiles(levels: npt.NDArray[Any]) -> tuple[float, float]:
    finite = levels[np.isfinite(levels)] if levels.dtype.kind == "f" else levels
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, [_LEFT_OUT_PERCENT, 100 - _LEFT_OUT_PERCENT])
    return float(low), float(high)


def _no_range(levels: npt.NDArray[Any]) -> str:
    return (
        f"gray levels from {levels.min():g} to {levels.max():g} ({levels.dtype}) are no 16 bits: "
        "say which are black and white with the option gray_range"
    )
