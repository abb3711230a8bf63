"""Remember what was computed of readings from their answer to their learning step.

A calibrated detector needs the same raw scores twice: to answer and to learn. Computing them again
gives the same numbers, so the memo changes no answer: it saves time.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import SensorReading

Column = NDArray[Any]

#: Readings remembered at most; beyond, all are forgotten.
_MAX_READINGS = 65_536


class ScoreMemo:
    """Columns of the readings that were answered since the last learning step, in their order.

    A reading is known by its identity: an equal one may have been answered by an earlier state.
    """

    def __init__(self) -> None:
        self._readings: list[SensorReading] = []
        self._columns: list[tuple[Column, ...]] = []

    def remember(self, readings: Sequence[SensorReading], *columns: Column) -> None:
        """Remember columns of n readings: scores (n,), or a number for each of their channels."""
        if len(self._readings) + len(readings) > _MAX_READINGS:
            self._readings, self._columns = [], []
        self._readings += readings
        self._columns.append(columns)

    def take(self, readings: Sequence[SensorReading]) -> list[Column] | None:
        """Return the columns of n readings and forget all; None if other ones were remembered."""
        known, columns = self._readings, self._columns
        self._readings, self._columns = [], []
        if not columns or len(known) != len(readings) or not all(map(is_, known, readings)):
            return None
        return [np.concatenate(parts) for parts in zip(*columns, strict=True)]
