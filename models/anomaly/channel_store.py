"""Windows and statistics of the channels of any number of models, as arrays that they share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS
from models.anomaly.slots import grown
from models.anomaly.windows import Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The least spread of a series, as a share of its median: few sensors are more precise.
RELATIVE_FLOOR = 1e-3
#: The least spread in the unit of the series, for one that stays at zero.
ABSOLUTE_FLOOR = 1e-9
#: The statistics of a window are computed again whenever 1/64 of its values is new.
REFRESH_SHARE = 64

#: Growing copies what is there: seldom, therefore. Memory for unused rows is only reserved.
_FIRST_CAPACITY, _GROWTH = 65_536, 4


class Statistics(NamedTuple):
    """What a store keeps of n channels beside their windows."""

    medians: Floats
    spreads: Floats
    refreshed: Ints
    """(n,) the window's total when median and spread were computed."""
    states: Floats
    """(n, NUM_FIELDS) the calibration."""


class ChannelStore:
    """A row for each channel: its window, its median and spread, and when those were computed.

    Models of several partitions share one store, so that one NumPy call answers or learns for all
    of them; each knows its own rows.
    """

    def __init__(self, window: int) -> None:
        """Make an empty store.

        Args:
            window: values a row, >= 1.
        """
        self.windows = Windows(window)
        self.medians: Floats = np.zeros(0)
        self.spreads: Floats = np.zeros(0)
        self.states: Floats = np.zeros((0, NUM_FIELDS))
        """(rows, NUM_FIELDS) the calibration of each channel."""
        self.refreshed: Ints = np.zeros(0, np.int64)
        """(rows,) the window's total when median and spread were computed."""
        self._phases: Ints = np.zeros(0, np.int64)
        """(rows,) shift the totals at which they are computed again."""
        self._num_used = 0
        self._free: list[int] = []
        """Rows below `_num_used` that were released."""

    def allocate(self, count: int) -> list[int]:
        """Return `count` rows for a model to use; `clear` them before the first value."""
        first = max(len(self._free) - count, 0)
        rows = self._free[first:]
        del self._free[first:]
        missing = count - len(rows)
        rows += range(self._num_used, self._num_used + missing)
        self._num_used += missing
        if self._num_used > len(self.medians):
            self._grow(max(self._num_used, _FIRST_CAPACITY, _GROWTH * len(self.medians)))
        return rows

    def _grow(self, rows: int) -> None:
        self.windows.grow_to(rows)
        self.medians, self.spreads = grown(self.medians, rows), grown(self.spreads, rows)
        self.states = grown(self.states, rows)
        self.refreshed, self._phases = grown(self.refreshed, rows), grown(self._phases, rows)

    def release(self, rows: list[int]) -> None:
        """Take rows back."""
        self._free += rows

    def clear(self, rows: Ints, phases: Ints) -> None:
        """Empty the windows of rows (n,).

        Args:
            rows: of one model, distinct.
            phases: (n,) their numbers in that model. Sensors that report at a fixed rate would
                otherwise all need new statistics at the same moment, and delay each other.
        """
        self.windows.clear(rows)
        self.states[rows] = 0.0
        self.refreshed[rows], self._phases[rows] = 0, phases

    def set_statistics(self, rows: Ints, statistics: Statistics) -> None:
        """Replace the statistics of rows (n,)."""
        self.medians[rows], self.spreads[rows] = statistics.medians, statistics.spreads
        self.refreshed[rows], self.states[rows] = statistics.refreshed, statistics.states

    def append(self, rows: Ints, values: Floats) -> None:
        """Append `values` (n,) to `rows` (n,), n >= 1, in order, and update the statistics."""
        self._refresh(self.windows.append(rows, values))

    def _refresh(self, rows: Ints) -> None:
        """Compute the statistics of those rows again whose windows have changed enough."""
        totals, phases = self.windows.totals[rows], self._phases[rows]
        enough = np.maximum(self.windows.held(rows) // REFRESH_SHARE, 1)
        is_due = (totals + phases) // enough > (self.refreshed[rows] + phases) // enough
        rows = rows[is_due]
        medians, spreads = self.windows.medians_and_spreads(rows)
        floors = np.maximum(RELATIVE_FLOOR * np.abs(medians), ABSOLUTE_FLOOR)
        self.medians[rows], self.spreads[rows] = medians, np.maximum(spreads, floors)
        self.refreshed[rows] = totals[is_due]
