"""Windows and statistics of the channels of any number of models, as arrays that they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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

_FIRST_CAPACITY = 16
#: Rows of windows that the store grows by hold this many bytes at most, so that no step waits long
#: for memory.
_MAX_GROWTH_BYTES = 32 * 1024 * 1024


class ChannelStore:
    """A row for each channel: its window, its median and spread, and when those were computed.

    Models of several partitions share one store, so that one NumPy call answers or learns for all
    of them; each knows its own rows. Memory: 8 bytes x window a row.
    """

    def __init__(self, window: int) -> None:
        """Make an empty store.

        Args:
            window: values a row, >= 1.
        """
        self.windows = Windows(window)
        self.medians: Floats = np.zeros(0)
        self.spreads: Floats = np.zeros(0)
        self.refreshed: Ints = np.zeros(0, np.int64)
        """(rows,) the window's total when median and spread were computed."""
        self._free: list[int] = []

    def allocate(self, count: int) -> list[int]:
        """Return `count` rows for a model to use; `clear` them before the first value."""
        if count > len(self._free):
            old = len(self.medians)
            growth = min(old, _MAX_GROWTH_BYTES // (8 * self.windows.size))
            new = old + max(growth, count, _FIRST_CAPACITY)
            self.windows.grow_to(new)
            self.medians, self.spreads = grown(self.medians, new), grown(self.spreads, new)
            self.refreshed = grown(self.refreshed, new)
            self._free = [*range(new - 1, old - 1, -1), *self._free]
        return [self._free.pop() for _ in range(count)]

    def release(self, rows: Sequence[int]) -> None:
        """Take rows back."""
        self._free += rows

    def clear(self, rows: Sequence[int]) -> None:
        """Empty the windows of rows."""
        self.windows.clear(list(rows))
        self.refreshed[rows] = 0

    def append(self, rows: Ints, values: Floats) -> None:
        """Append `values` (n,) to `rows` (n,), in order, and update the statistics."""
        self.windows.append(rows, values)
        self._refresh(np.unique(rows))

    def _refresh(self, rows: Ints) -> None:
        """Compute the statistics of those rows again whose windows have changed enough."""
        totals = self.windows.totals[rows]
        enough = np.maximum(np.minimum(totals, self.windows.size) // REFRESH_SHARE, 1)
        rows = rows[totals - self.refreshed[rows] >= enough]
        medians, spreads = self.windows.medians_and_spreads(rows)
        floors = np.maximum(RELATIVE_FLOOR * np.abs(medians), ABSOLUTE_FLOOR)
        self.medians[rows], self.spreads[rows] = medians, np.maximum(spreads, floors)
        self.refreshed[rows] = self.windows.totals[rows]
