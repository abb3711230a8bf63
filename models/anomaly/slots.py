"""Which row of a model's arrays belongs to which key, with a bounded number of keys."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.snapshots import Snapshot

K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=np.generic)

#: What `find` gives for a key that has no slot.
NO_SLOT = -1
_FIRST_CAPACITY = 16


class Slots(Generic[K]):
    """Keys to row numbers; the key seen least recently gives its row to a new one.

    "Seen" counts learning steps, and ties go to the lower row, so the same log gives the same rows.
    """

    def __init__(self, max_keys: int) -> None:
        self.max_keys = max_keys
        self.keys: list[K] = []
        """In row order."""
        self._index: dict[K, int] = {}
        self.last_seen: NDArray[np.int64] = np.zeros(min(_FIRST_CAPACITY, max_keys), np.int64)
        """(capacity,) the learning step that saw each row's key last."""
        self.step = 0

    @property
    def capacity(self) -> int:
        """Rows that arrays need now; grows by doubling up to `max_keys`."""
        return len(self.last_seen)

    def find(self, keys: Iterable[K]) -> NDArray[np.int64]:
        """Return each key's row, or `NO_SLOT`."""
        get = self._index.get
        return np.array([get(key, NO_SLOT) for key in keys], np.int64)

    def claim(self, keys: Sequence[K]) -> tuple[NDArray[np.int64], list[int]]:
        """Give every key of a learning step a row and mark it seen.

        Returns:
            Rows (n,), and the rows whose earlier content is void. With more keys in a step than
            `max_keys`, the keys that lost their row within it get `NO_SLOT`.
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
        """Take over saved keys in row order, with when each was seen (len(keys),)."""
        self.keys = list(keys)
        self._index = {key: row for row, key in enumerate(self.keys)}
        self.last_seen = grown(last_seen, min(_FIRST_CAPACITY, self.max_keys))


def grown(array: NDArray[S], capacity: int) -> NDArray[S]:
    """Return the array with rows of zeros appended up to `capacity`, or itself if long enough."""
    missing = capacity - len(array)
    if missing <= 0:
        return array
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def reload_slots(saved: Snapshot, max_keys: int, *lists: str) -> tuple[Slots[tuple[str, ...]], int]:
    """Return the slots that a snapshot holds, and how many rows are taken.

    Args:
        saved: with the arrays `last_seen` (rows,) and `step` (1,).
        max_keys: the limit that the snapshot must keep.
        lists: the names of its lists that make up the keys, row by row.

    Raises:
        ModelError: the lists do not fit each other, or repeat a key.
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
