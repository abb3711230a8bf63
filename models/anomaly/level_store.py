"""The states and seasons of the channels of any number of models, as arrays that they share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.level_state import NUM_FIELDS, Levels, learn, next_season
from models.anomaly.slots import grown
from models.anomaly.turns import turns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST_CAPACITY, _GROWTH = 4096, 2
#: The bin of a reading without event time: it has no season.
NO_BIN = -1


class Limits(NamedTuple):
    """The options that learning depends on."""

    min_values: int
    threshold: float
    rest: int


class LevelStore:
    """A row for each channel: its state (22 float64) and its season (`bins` float32)."""

    def __init__(self, bins: int, limits: Limits) -> None:
        self.limits = limits
        self.states: Floats = np.zeros((0, NUM_FIELDS))
        self.seasons = np.zeros((0, bins), np.float32)
        """(rows, bins) the expected value at each time of the season; NaN where not known."""
        self._num_used = 0
        self._free: list[int] = []

    def allocate(self, count: int) -> list[int]:
        """Return `count` rows for a model to use; `clear` them before the first value."""
        first = max(len(self._free) - count, 0)
        rows = self._free[first:]
        del self._free[first:]
        missing = count - len(rows)
        rows += range(self._num_used, self._num_used + missing)
        self._num_used += missing
        if self._num_used > len(self.states):
            capacity = max(self._num_used, _FIRST_CAPACITY, _GROWTH * len(self.states))
            self.states = grown(self.states, capacity)
            self.seasons = grown(self.seasons, capacity)
        return rows

    def release(self, rows: list[int]) -> None:
        """Take rows back."""
        self._free += rows

    def clear(self, rows: Ints, phases: Ints) -> None:
        """Empty rows (n,); `phases` are of no use here."""
        self.states[rows], self.seasons[rows] = 0.0, np.nan

    def read(self, rows: Ints, bins: Ints) -> tuple[Levels, Floats]:
        """Return the states and expected values (n,) of rows (n,) at those times of the season."""
        state = Levels(*self.states[rows].T)
        expected = self.seasons[rows, bins].astype(np.float64)
        return state, np.where(bins == NO_BIN, np.nan, expected)

    def append(self, rows: Ints, bins: Ints, values: Floats) -> None:
        """Learn values (n,) of rows (n,) in order; a row may occur several times."""
        for turn in turns(rows):
            self._learn(rows[turn], bins[turn], values[turn])

    def _learn(self, rows: Ints, bins: Ints, values: Floats) -> None:
        state, expected = self.read(rows, bins)
        self.states[rows] = np.stack(learn(state, values, expected, *self.limits), axis=1)
        timed = np.flatnonzero(bins != NO_BIN)
        new = next_season(expected[timed], values[timed])
        self.seasons[rows[timed], bins[timed]] = new.astype(np.float32)
