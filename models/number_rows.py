"""Turns the numbers of events into rows of float32, and arrays of outputs into rows of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.base import ModelError
from schemas import Event, InputError

_MOST_NAMES = 20  # in a message
_LARGEST = float(np.finfo(np.float32).max)


class NumberRows:
    """Reads named numbers of `SensorReading.values` or `BehaviorEvent.features`.

    Or of a field with one of these names in a custom event type.
    """

    def __init__(self, features: Sequence[str]) -> None:
        """Check the names.

        Args:
            features: the F names, in the order of the model's columns.

        Raises:
            ValueError: none, a plain text, or a name twice.
        """
        if isinstance(features, str) or not features:
            raise ValueError(f"features is {features!r}: expected a list of names in model order")
        if len(set(features)) < len(features):
            raise ValueError(f"features contains a name twice: {', '.join(features)}")
        self.features = list(features)

    def row(self, event: Event) -> list[float] | InputError:
        """Return an event's F numbers, or what is wrong with them."""
        numbers = _numbers(event)
        if numbers is None:
            return InputError(
                f"{type(event).__name__} has neither `values` nor `features`: nothing to read"
            )
        try:
            row = [numbers[name] for name in self.features]
        except KeyError as error:
            known = ", ".join(sorted(numbers)[:_MOST_NAMES])
            more = f" and {len(numbers) - _MOST_NAMES} more" if len(numbers) > _MOST_NAMES else ""
            return InputError(f"feature {error} is absent: the event has {known[:500]}{more}")
        for name, number in zip(self.features, row, strict=True):
            if not abs(number) <= _LARGEST:
                return InputError(f"feature {name!r} is {number}: not finite as float32")
        return row


def _numbers(event: Event) -> Mapping[str, float] | None:
    for field in ("values", "features"):
        numbers = getattr(event, field, None)
        if isinstance(numbers, Mapping):
            return numbers
    return None


def json_rows(name: str, value: Any, length: int) -> list[Any]:
    """Return one JSON value for each row of an output; rows of one number become numbers.

    Raises:
        ModelError: the output has not one value for each row.
    """
    if isinstance(value, np.ndarray):
        value = (value[:, 0] if value.shape[1:] == (1,) else value).tolist()
    if not isinstance(value, list) or len(value) != length:
        raise ModelError(
            f"output {name} does not have one value for each row: leave it out of `output`"
        )
    return value
