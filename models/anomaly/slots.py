"""Assign rows of a model's arrays to keys, with a limited number of keys."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.snapshots import Snapshot

K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=np.generic)

#: Returned by `find` for a key without a row.
NO_SLOT = -1
_FIRST_CAPACITY = 16


class Slots(Generic[K]):
    """Maps keys to rows; a new key takes the row of the key seen least recently.

    Time is counted in learning steps, and the lower row wins a tie: the same log gives the same
    rows.
    """

    def __init__(self, max_keys: int) -> None:
        self.max_keys = max_keys
        self.keys: list[K] = []
        """In row order."""
        self._index: dict[K, int] = {}
        self.last_seen: NDArray[np.int64] = np.zeros(min(_FIRST_CAPACITY, max_keys), np.int64)
        """(capacity,) the last learning step with each row's key."""
        self.step = 0

    @property
    def capacity(self) -> int:
        """Number of rows that arrays need now; it doubles as needed, up to `max_keys`."""
        return len(self.last_seen)

    def find(self, keys: Iterable[K]) -> NDArray[np.int64]:
        """Return each key's row, or `NO_SLOT`."""
        get = self._index.get
        return np.array([get(key, NO_SLOT) for key in keys], np.int64)

    def claim(self, keys: Sequence[K]) -> tuple[NDArray[np.int64], list[int]]:
        """Assign a row to every key of a learning step and mark the keys as seen.

        Returns:
            Rows (n,), and the rows that belong to a new key and have to be cleared. If a step has
            more keys than `max_keys`, keys that lost their row in the same step get `NO_SLOT`.
        """
        self.step += 1
        rows = self.find(keys)
        self.last_seen[rows[rows != NO_SLOT]] = self.step
        fresh = [self._insert(key) for key in dict.fromkeys(keys) if key not in self._index]
        return (self.find(keys) if fresh else rows), fresh

    def _insert(self, key: K) -> int:
        if len(self.keys) < self.max_keys:
            row = len(self.keys)
            self.keys.append(key)
            if row == self.capacity:
                self.last_seen = grown(self.last_seen, min(2 * self.capacity, self.max_keys))
        else:
            row = int(np.argmin(self.last_seen))
            del self._index[self.keys[row]]
            self.keys[row] = key
        self._index[key] = row
        self.last_seen[row] = self.step
        return row

    def adopt(self, keys: Sequence[K], last_seen: NDArray[np.int64]) -> None:
        """Replace all keys by saved ones, in row order, with the steps that saw them last."""
        self.keys = list(keys)
        self._index = {key: row for row, key in enumerate(self.keys)}
        self.last_seen = grown(last_seen, min(_FIRST_CAPACITY, self.max_keys))


def grown(array: NDArray[S], capacity: int) -> NDArray[S]:
    """Append rows of zeros up to `capacity`; return the array itself if it is long enough."""
    missing = capacity - len(array)
    if missing <= 0:
        return array
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def reload_slots(saved: Snapshot, max_keys: int, *lists: str) -> tuple[Slots[tuple[str, ...]], int]:
    """Restore slots from a snapshot; return them and the number of rows in use.

    Args:
        saved: a snapshot with the arrays `last_seen` (rows,) and `step` (1,).
        max_keys: the limit, which the snapshot must not exceed.
        lists: names of the snapshot's lists that form the keys, row by row.

    Raises:
        ModelError: the lists do not fit together, or a key occurs twice.
    """
    columns = [saved.list_of(name) for name in lists]
    keys = list(zip(*columns, strict=False))
    rows = len(keys)
    if rows > max_keys or {len(c) for c in columns} != {rows} or len(set(keys)) != rows:
        raise ModelError(f"the keys in the snapshot of {saved.kind} do not fit: it is damaged")
    slots: Slots[tuple[str, ...]] = Slots(max_keys)
    slots.step = int(saved.array("step", slots.last_seen, 1)[0])
    last_seen = saved.array("last_seen", slots.last_seen, rows)
    slots.adopt(keys, last_seen)
    return slots, rows
