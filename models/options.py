"""The check of a number that a model's `__init__` takes as an option."""

from __future__ import annotations

import math
from typing import TypeVar

N = TypeVar("N", int, float)


def check_option(name: str, value: N, low: float, high: float = math.inf) -> N:
    """Return `value` if it is a number in [low, high].

    Raises:
        ValueError: it is not; the message names the option and the expected range.
    """
    if isinstance(value, bool) or not low <= value <= high:
        limit = f"from {low:g}" + (f" to {high:g}" if high < math.inf else " up")
        raise ValueError(f"option {name} is {value!r}: expected a number {limit}")
    return value
