"""A light model for soaks: loads at once, and raises or hangs on special numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from models.base import Model
from schemas import Event

#: The model raises an error on this number.
POISON = 13.0
#: The model never returns from a call with this number.
HANGS = 666.0


class Number(Event, frozen=True, kw_only=True):
    """An event with one number."""

    x: float


class Doubling(Model[Number, dict[str, float]]):
    """Answers each number x with 2x.

    Args:
        batch_seconds: duration of a call.
        result_chars: length of a text added to each result, to make results large.
    """

    name, version, event_type = "soak_doubling", "1", Number

    def __init__(self, batch_seconds: float = 0.0, result_chars: int = 0) -> None:
        self._batch_seconds = batch_seconds
        self._padding = {"padding": "x" * result_chars} if result_chars else {}

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        """Return 2x for each number."""
        time.sleep(self._batch_seconds)
        if any(event.x == HANGS for event in batch):
            time.sleep(86_400)
        if any(event.x == POISON for event in batch):
            raise ArithmeticError(f"{POISON:g} brings bad luck")
        return [{"y": 2 * event.x, **self._padding} for event in batch]  # type: ignore[dict-item]
