"""The numbers of events as rows of fixed features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Event, InputError

Floats = NDArray[np.float64]

#: Squares of larger numbers, times their weights, could overflow.
LARGEST = 1e150
_MOST_NAMES = 20  # in a message


def numbers_of(event: Event) -> Mapping[str, float] | None:
    """Return `values` or `features` of an event; None if it has neither."""
    found = getattr(event, "values", None)
    if found is None:
        found = getattr(event, "features", None)
    return found if isinstance(found, Mapping) else None


def feature_row(event: Event, names: Sequence[str]) -> list[float] | InputError:
    """Return an event's numbers under these names, or why there are none."""
    numbers = numbers_of(event)
    if numbers is None:
        return InputError(f"{type(event).__name__} has neither `values` nor `features`")
    try:
        row = [float(numbers[name]) for name in names]
    except KeyError as error:
        return absent_feature(str(error), numbers)
    for name, number in zip(names, row, strict=True):
        if not math.isfinite(number) or abs(number) > LARGEST:
            return InputError(f"feature {name!r} is {number}: expected up to {LARGEST:g}")
    return row


def absent_feature(name: str, numbers: Mapping[str, float]) -> InputError:
    """Return the error for an event without a feature; it names some of those that it has."""
    known = sorted(numbers)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return InputError(
        f"feature {name} is absent: the event has {', '.join(known[:_MOST_NAMES])[:500]}{more}"
    )


def check_names(features: Sequence[str] | None) -> list[str] | None:
    """Return the names as a list.

    Raises:
        ValueError: they are no list of different names.
    """
    if features is None:
        return None
    if isinstance(features, str) or not features or len(set(features)) < len(features):
        raise ValueError(f"features is {features!r}: expected a list of different names")
    return list(features)
