"""What is remembered of items and users, in arrays that the models of all partitions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

#: A row that does not exist.
NO_ROW = -1
#: Places of an item's table of neighbors that compete for one group of items.
WAYS = 8
_FIRST_CAPACITY = 64


class Table:
    """Arrays that grow together, with a row for each thing; rows are given out and taken back."""

    def __init__(self) -> None:
        self._num_used = 0
        self._free: list[int] = []

    def fields(self) -> dict[str, tuple[tuple[int, ...], Any, float]]:
        """Return each array's shape behind the rows, its type and the value of an empty row."""
        raise NotImplementedError

    def make(self) -> None:
        """Create the arrays."""
        for name, (shape, dtype, empty) in self.fields().items():
            setattr(self, name, np.full((_FIRST_CAPACITY, *shape), empty, dtype))

    def allocate(self, count: int) -> list[int]:
        """Return empty rows."""
        while len(self._free) < count:
            self._free.append(self._num_used)
            self._num_used += 1
        rows = self._free[-count:] if count else []
        del self._free[len(self._free) - count :]
        self._grow(self._num_used + 1)  # the last row is never given out: it stands for NO_ROW
        self.clear(np.array(rows, np.int64))
        return rows

    def release(self, rows: list[int]) -> None:
        """Take rows back."""
        self._free += rows

    def clear(self, rows: Ints) -> None:
        """Empty rows."""
        for name, (_, _, empty) in self.fields().items():
            getattr(self, name)[rows] = empty

    def _grow(self, needed: int) -> None:
        for name, (shape, dtype, _) in self.fields().items():
            array = getattr(self, name)
            if needed <= len(array):
                return
            # Zeros take no memory until they are written, and `allocate` clears what it gives out.
            longer = np.zeros((max(needed, 2 * len(array)), *shape), dtype)
            longer[: len(array)] = array
            setattr(self, name, longer)


class Items(Table):
    """A row for each item of each partition."""

    neighbors: Rows
    """(rows, groups * WAYS) rows of items that occur with this one, `NO_ROW` for none."""
    together: Singles
    """(rows, groups * WAYS) how often, in units that grow with the model's clock."""
    counts: Floats
    """(rows,) how often the item occurred, in the same units."""
    norms: Floats
    """(rows,) the factor for a score of this item: rare items need fewer occurrences."""
    popularity: Floats
    """(rows,) how often the item occurred lately, in units of the faster clock."""
    factors: Singles
    """(rows, dimensions)"""
    sent: Singles
    """(rows, dimensions) what other partitions know of the vectors; (rows, 0) if they know none."""
    is_removed: NDArray[np.bool_]
    """(rows,) whether an event has removed the item."""
    is_blocked: NDArray[np.bool_]
    """(rows,) whether an option forbids the item."""
    slots: Rows
    """(rows,) the item's number in its own model."""

    def __init__(self, neighbors: int, dimensions: int, is_shared: bool = False) -> None:
        """Make a table for items.

        Args:
            neighbors: of each item, a multiple of `WAYS`.
            dimensions: of each vector.
            is_shared: whether other partitions learn of the vectors.
        """
        super().__init__()
        self.groups, self.dimensions, self.is_shared = neighbors // WAYS, dimensions, is_shared
        self._scratch: Rows = np.zeros(0, np.int32)
        self.make()

    def scratch(self, lanes: int) -> Rows:
        """Return an array (at least `lanes` * rows,); its content means nothing between calls."""
        if len(self._scratch) < lanes * len(self.counts):
            self._scratch = np.zeros(lanes * len(self.counts), np.int32)
        return self._scratch

    def fields(self) -> dict[str, tuple[tuple[int, ...], Any, float]]:
        """Return the arrays."""
        return {
            "neighbors": ((self.groups * WAYS,), np.int32, NO_ROW),
            "together": ((self.groups * WAYS,), np.float32, 0),
            "counts": ((), np.float64, 0),
            "norms": ((), np.float64, 0),
            "popularity": ((), np.float64, 0),
            "factors": ((self.dimensions,), np.float32, 0),
            "sent": ((self.dimensions if self.is_shared else 0,), np.float32, 0),
            "is_removed": ((), np.bool_, 0),
            "is_blocked": ((), np.bool_, 0),
            "slots": ((), np.int32, NO_ROW),
        }

    def is_hidden(self, rows: Ints) -> NDArray[np.bool_]:
        """Return whether items must not be recommended."""
        return self.is_removed[rows] | self.is_blocked[rows]


class Users(Table):
    """A row for each user of each partition."""

    history: Rows
    """(rows, length) a ring of rows of items, `NO_ROW` for none."""
    totals: Ints
    """(rows,) how many items were ever put into the ring."""
    factors: Singles
    """(rows, dimensions)"""

    def __init__(self, length: int, dimensions: int) -> None:
        super().__init__()
        self.length, self.dimensions = length, dimensions
        self.make()

    def fields(self) -> dict[str, tuple[tuple[int, ...], Any, float]]:
        """Return the arrays."""
        return {
            "history": ((self.length,), np.int32, NO_ROW),
            "totals": ((), np.int64, 0),
            "factors": ((self.dimensions,), np.float32, 0),
        }

    def last(self, row: int) -> tuple[int, int]:
        """Return how many items a user has had, and the last of them."""
        total = int(self.totals[row])
        return total, int(self.history[row, (total - 1) % self.length]) if total else NO_ROW

    def append(self, rows: Ints, items: Ints, at: Ints) -> None:
        """Put items (n,) into the rings of users (n,) as their `at`-th."""
        self.history[rows, at % self.length] = items
        np.maximum.at(self.totals, rows, at + 1)

    def before(self, rows: Ints, at: Ints, length: int) -> Ints:
        """Return the items (n, length) before the `at`-th of users (n,), the latest first."""
        index = at[:, None] - 1 - np.arange(length)
        items = self.history[rows[:, None], index % self.length]
        return np.where((index >= 0) & (rows >= 0)[:, None], items, NO_ROW).astype(np.int64)
