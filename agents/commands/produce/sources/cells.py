"""What a table's cell means as a number or as a time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

#: A time written as a number is in seconds below this and in milliseconds from it on: as
#: seconds it is the year 5138, as milliseconds March 1973.
_FIRST_MILLISECONDS = 1e11


def to_number(cell: Any) -> float | None:
    """Return a cell's number, NaN for an empty one, None if it holds something else."""
    if cell is None or cell == "":
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def all_numbers(cells: Iterable[Any]) -> bool:
    """Return whether every cell is a number or empty, and at least one is a finite number."""
    numbers = [to_number(cell) for cell in cells]
    return None not in numbers and any(n is not None and math.isfinite(n) for n in numbers)


def to_time_ms(cell: Any) -> int:
    """Return milliseconds since 1970 of ISO 8601 text (UTC by default) or of a number.

    Raises:
        ValueError: neither of them, or before 1970.
    """
    number = to_number(cell)
    if number is None:
        return _iso_to_ms(str(cell))
    if not 0 <= number < 2**53:
        raise ValueError(f"{cell!r} is no time since 1970")
    return round(number if number >= _FIRST_MILLISECONDS else number * 1000)


def _iso_to_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text[:40]!r} is no time: expected ISO 8601, or seconds or ms since 1970"
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment.year < 1970:
        raise ValueError(f"{text[:40]!r} is before 1970")
    return round(moment.timestamp() * 1000)
