"""Remember the raw scores of readings from their answer to their learning step.

A calibrated detector needs the same raw scores twice: to answer and to learn. Computing them again
gives the same numbers, so the memo changes no answer: it saves time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import SensorReading

Floats = NDArray[np.float64]

#: Readings remembered at most; beyond, all are forgotten.
_MAX_READINGS = 65_536


class ScoreMemo:
    """Raw scores by reading, by its identity: an equal reading may have been scored earlier."""

    def __init__(self) -> None:
        self._scores: dict[int, tuple[SensorReading, float]] = {}

    def remember(self, readings: Sequence[SensorReading], raw: Floats) -> None:
        """Remember the scores (n,) of n readings."""
        if len(self._scores) + len(readings) > _MAX_READINGS:
            self._scores.clear()
        for reading, score in zip(readings, raw.tolist(), strict=True):
            self._scores[id(reading)] = reading, score

    def take(self, readings: Sequence[SensorReading]) -> Floats | None:
        """Return the scores (n,) of n readings and forget all; None if one is not remembered."""
        scores, self._scores = self._scores, {}
        try:
            return np.array([scores[id(reading)][1] for reading in readings], np.float64)
        except KeyError:
            return None
