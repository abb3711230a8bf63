"""Assign rows of a model's arrays to keys, with a limited number of keys."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.snapshots import Snapshot

K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=np.generic)

#: Returned by `find` for a key without a row.
NO_SLOT = -1
_FIRST_CAPACITY = 16

logger = logging.getLogger(__name__)


class Claim(NamedTuple, Generic[K]):
    """Which rows the keys of a learning step have."""

    rows: list[int]
    """Of each key. If a step has more keys than `max_keys`, keys that lost their row in the
    same step have `NO_SLOT`."""
    fresh: list[int]
    """The rows that belong to a new key and have to be cleared; one may occur twice."""
    lost: list[K]
    """The keys that lost their rows."""


class Slots(Generic[K]):
    """Maps keys to rows; a new key takes the row of the key seen least recently.

    Time is counted in learning steps, and the lower row wins a tie: the same log gives the same
    rows.
    """

    def __init__(self, max_keys: int, kind: str) -> None:
        """Make slots without keys.

        Args:
            max_keys: limit of keys, >= 1.
            kind: what the keys are, for a warning: `channels of robust_zscore`.
        """
        self.max_keys = max_keys
        self._kind = kind
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

    def find(self, keys: Iterable[K]) -> list[int]:
        """Return each key's row, or `NO_SLOT`."""
        get = self._index.get
        return [get(key, NO_SLOT) for key in keys]

    def claim(self, keys: Sequence[K]) -> Claim[K]:
        """Assign a row to every key of a learning step and mark the keys as seen."""
        rows = self.find(keys)
        self.see([row for row in rows if row != NO_SLOT])
        if NO_SLOT not in rows:
            return Claim(rows, [], [])
        distinct = dict.fromkeys(keys)
        new_keys = [key for key in distinct if key not in self._index]
        fresh = self._add(new_keys[: self.max_keys - len(self.keys)])
        lost: list[K] = []
        if len(fresh) < len(new_keys):
            _warn_once(self._kind, self.max_keys)
            old_rows = self._least_recent(len(new_keys) - len(fresh))
            replacing = new_keys[len(fresh) : len(fresh) + len(old_rows)]
            lost = list(map(self._replace, old_rows, replacing))
            fresh += old_rows
            for key in distinct:
                # With more keys than rows, those of this step take turns in the first one.
                if key not in self._index:
                    lost.append(self._replace(0, key))
                    fresh.append(0)
        return Claim(self.find(keys), fresh, lost)

    def see(self, rows: Sequence[int]) -> None:
        """Count a learning step and mark the keys of these rows as seen."""
        self.step += 1
        self.last_seen[rows] = self.step

    def _add(self, new_keys: Sequence[K]) -> list[int]:
        """Assign unused rows to new keys; return those."""
        rows = list(range(len(self.keys), len(self.keys) + len(new_keys)))
        self.keys += new_keys
        self._index.update(zip(new_keys, rows, strict=True))
        if len(self.keys) > self.capacity:
            wanted = max(len(self.keys), 2 * self.capacity)
            self.last_seen = grown(self.last_seen, min(wanted, self.max_keys))
        self.last_seen[rows] = self.step
        return rows

    def _replace(self, row: int, key: K) -> K:
        """Give a row to another key; return the one that loses it."""
        lost, self.keys[row] = self.keys[row], key
        del self._index[lost]
        self._index[key] = row
        self.last_seen[row] = self.step
        return lost

    def _least_recent(self, count: int) -> list[int]:
        """Return up to `count` rows whose keys are not of this step, seen least recently first."""
        last = self.last_seen
        if count < len(last):  # sort no more than needed
            count_th = np.partition(last, count - 1)[count - 1]
            candidates = np.flatnonzero((last <= count_th) & (last < self.step))
        else:
            candidates = np.flatnonzero(last < self.step)
        order = np.argsort(last[candidates], kind="stable")
        rows: list[int] = candidates[order[:count]].tolist()
        return rows

    def adopt(self, keys: Sequence[K], last_seen: NDArray[np.int64]) -> None:
        """Replace all keys by saved ones, in row order, with the steps that saw them last."""
        self.keys = list(keys)
        self._index = {key: row for row, key in enumerate(self.keys)}
        self.last_seen = grown(last_seen, min(_FIRST_CAPACITY, self.max_keys))


@cache
def _warn_once(kind: str, max_keys: int) -> None:
    """Warn once in a process: keys that stay away for good are forgotten in this way, too."""
    logger.warning(
        "a partition has more than %d %s (max_keys): those seen least recently are forgotten, and "
        "learned again when they come back. If all of them are in use, raise max_keys",
        max_keys,
        kind,
    )


def grown(array: NDArray[S], capacity: int) -> NDArray[S]:
    """Append rows of zeros up to `capacity`; return the array itself if it is long enough."""
    if capacity <= len(array):
        return array
    # The operating system provides zeros where something is written first, and not here.
    longer = np.zeros((capacity, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def reload_slots(saved: Snapshot, slots: Slots[tuple[str, ...]], *lists: str) -> int:
    """Fill slots from a snapshot; return the number of rows in use.

    Args:
        saved: a snapshot with the arrays `last_seen` (rows,) and `step` (1,).
        slots: without keys; the snapshot must not exceed their limit.
        lists: names of the snapshot's lists that form the keys, row by row.

    Raises:
        ModelError: the lists do not fit together, or a key occurs twice.
    """
    columns = [saved.list_of(name) for name in lists]
    keys = list(zip(*columns, strict=False))
    rows = len(keys)
    if rows > slots.max_keys or {len(c) for c in columns} != {rows} or len(set(keys)) != rows:
        raise ModelError(f"the keys in the snapshot of {saved.kind} do not fit: it is damaged")
    slots.step = int(saved.array("step", slots.last_seen, 1)[0])
    last_seen = saved.array("last_seen", slots.last_seen, rows)
    slots.adopt(keys, last_seen)
    return rows
