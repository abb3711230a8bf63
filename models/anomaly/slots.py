"""Assign rows of a model's arrays to keys, with a limited number of keys."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
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
#: A key that was not seen for this many times `max_keys` sightings may lose its row.
PATIENCE = 8

logger = logging.getLogger(__name__)


class Claim(NamedTuple, Generic[K]):
    """Which rows the keys of a learning step have."""

    rows: list[int]
    """Of each key; `NO_SLOT` if there was no room for it."""
    fresh: list[int]
    """The rows that belong to a new key and have to be cleared."""
    lost: list[K]
    """The keys that lost their rows."""


class Slots(Generic[K]):
    """Maps keys to rows; a new key may take the row of one that has stayed away.

    A key keeps its row while it is in use: until it was not seen for `PATIENCE * max_keys`
    sightings of keys. So with more keys than rows, some have no row, and the others keep what they
    have learned. If the key seen least recently always gave way, keys that come in turn would all
    lose their rows before they come back.

    Time is counted in sightings, one for each distinct key of a learning step, and the lower row
    wins a tie: the same log gives the same rows.
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
        """(capacity,) the number of sightings when each row's key was seen last."""
        self.first_seen: NDArray[np.int64] = np.zeros_like(self.last_seen)
        """(capacity,) the number of sightings when each row got its key; 0 before a restore."""
        self.step = 0
        """The number of sightings."""
        self.num_evicted = 0
        """Keys that lost their rows since this was set to 0."""
        self.num_refused = 0
        """Sightings of keys without a row since this was set to 0."""

    @property
    def capacity(self) -> int:
        """Number of rows that arrays need now; it doubles as needed, up to `max_keys`."""
        return len(self.last_seen)

    def find(self, keys: Iterable[K]) -> list[int]:
        """Return each key's row, or `NO_SLOT`."""
        get = self._index.get
        return [get(key, NO_SLOT) for key in keys]

    def claim(self, keys: Sequence[K]) -> Claim[K]:
        """Assign rows to the keys of a learning step and mark the keys as seen."""
        rows = self.find(keys)
        distinct = dict.fromkeys(keys)
        self._see([row for row in rows if row != NO_SLOT], len(distinct))
        if NO_SLOT not in rows:
            return Claim(rows, [], [])
        new_keys = [key for key in distinct if key not in self._index]
        room = self.max_keys - len(self.keys)
        fresh, waiting = self._add(new_keys[:room]), new_keys[room:]
        lost: list[K] = []
        if waiting:
            _warn_once(self._kind, self.max_keys)
            old_rows = self._unused(len(waiting))
            lost = list(map(self._replace, old_rows, waiting))
            fresh += old_rows
            self.num_evicted += len(lost)
            self.num_refused += len(waiting) - len(lost)
        return Claim(self.find(keys), fresh, lost)

    def see(self, rows: Sequence[int] | NDArray[np.int64]) -> None:
        """Mark the keys of these rows as seen, in one learning step; a row may occur twice."""
        # A thousand rows are sorted sooner than put into a set.
        self._see(rows, len(np.unique(rows)))

    def take_incidents(self) -> dict[str, int]:
        """Return the numbers of evicted and refused keys since the last call."""
        incidents = {"evicted_key": self.num_evicted, "refused_key": self.num_refused}
        self.num_evicted = self.num_refused = 0
        return incidents

    def _see(self, rows: Sequence[int] | NDArray[np.int64], num_keys: int) -> None:
        self.step += num_keys
        if len(rows):
            self.last_seen[rows] = self.step

    def _add(self, new_keys: Sequence[K]) -> list[int]:
        """Assign unused rows to new keys; return those."""
        rows = list(range(len(self.keys), len(self.keys) + len(new_keys)))
        self.keys += new_keys
        self._index.update(zip(new_keys, rows, strict=True))
        if len(self.keys) > self.capacity:
            wanted = max(len(self.keys), 2 * self.capacity)
            self._grow(min(wanted, self.max_keys))
        self.last_seen[rows] = self.first_seen[rows] = self.step
        return rows

    def _grow(self, capacity: int) -> None:
        self.last_seen = grown(self.last_seen, capacity)
        self.first_seen = grown(self.first_seen, capacity)

    def _replace(self, row: int, key: K) -> K:
        """Give a row to another key; return the one that loses it."""
        lost, self.keys[row] = self.keys[row], key
        del self._index[lost]
        self._index[key] = row
        self.last_seen[row] = self.first_seen[row] = self.step
        return lost

    def _unused(self, count: int) -> list[int]:
        """Return up to `count` rows whose keys have stayed away, seen least recently first."""
        last = self.last_seen
        candidates = np.flatnonzero(last <= self.step - PATIENCE * self.max_keys)
        order = np.argsort(last[candidates], kind="stable")
        rows: list[int] = candidates[order[:count]].tolist()
        return rows

    def adopt(self, keys: Sequence[K], last_seen: NDArray[np.int64]) -> None:
        """Replace all keys by saved ones, in row order, with the steps that saw them last."""
        self.keys = list(keys)
        self._index = {key: row for row, key in enumerate(self.keys)}
        self.last_seen = grown(last_seen, min(_FIRST_CAPACITY, self.max_keys))
        self.first_seen = np.zeros_like(self.last_seen)

    def changed_since(self, step: int) -> NDArray[np.int64]:
        """Return the ascending rows whose keys were seen after that number of sightings."""
        return np.flatnonzero(self.last_seen[: len(self.keys)] > step)

    def replay(
        self, rows: Sequence[int], fresh: Mapping[int, K], last_seen: NDArray[np.int64], step: int
    ) -> None:
        """Do to these slots what happened to others after they were equal.

        Args:
            rows: (n,) that have changed, ascending; new ones follow the present rows.
            fresh: the keys of those rows that got another key.
            last_seen: (n,) of the rows, after the changes.
            step: number of sightings after the changes.
        """
        for row in (row for row in rows if row in fresh):
            if row < len(self.keys):
                self._index.pop(self.keys[row], None)
                self.keys[row] = fresh[row]
            else:
                self.keys.append(fresh[row])
        # A key may have lost its row and got another one: so all are entered at the end.
        self._index.update({key: row for row, key in fresh.items()})
        if len(self.keys) > self.capacity:
            self._grow(min(max(len(self.keys), 2 * self.capacity), self.max_keys))
        self.last_seen[rows], self.step = last_seen, step


@cache
def _warn_once(kind: str, max_keys: int) -> None:
    """Warn once in a process."""
    logger.warning(
        "a partition has more than %d %s (max_keys): further ones are not scored until one of "
        "these stays away and is forgotten. Raise max_keys if that is too few "
        "(penstock_model_incidents_total counts both)",
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
