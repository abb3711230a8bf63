"""A decoded picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]

#: Maps a picture's height and width, as shown, to the rows and columns that are needed of it.
Needed: TypeAlias = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Picture:
    """A decoded picture and its whole size, both as a viewer shows them."""

    pixels: Pixels
    """(H, W, 3), RGB."""
    width: int
    """Width of the whole picture, pixels."""
    height: int
    divisor: int = 1
    """1, 2, 4 or 8: how many times smaller than the whole picture each side was decoded."""
