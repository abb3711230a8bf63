"""What has changed in a model's rows since an earlier snapshot, as the bytes of a snapshot.

A row changes only when its key is seen, and `Slots` knows when that was: nothing else has to be
noted. The number of sightings at a snapshot is its mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.slots import Slots
from models.base import ModelError
from models.snapshots import Option, Snapshot, pack, unpack

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_INTS = np.zeros(0, np.int64)


class Changed(NamedTuple):
    """The rows that have changed since a mark: n of them."""

    rows: Ints
    """(n,) ascending."""
    is_fresh: Bools
    """(n,) whether the row got another key since."""


class Format(NamedTuple):
    """What a model's changes must have in common with its snapshots."""

    kind: str
    version: int
    options: Mapping[str, Option]
    key_lists: Sequence[str]
    """Names of the lists that form the keys: (`sources`, `channels`)."""

    @property
    def changes_kind(self) -> str:
        """The kind of a snapshot that contains changes only."""
        return f"{self.kind}.changes"


def changed_since(slots: Slots[tuple[str, ...]], mark: int) -> Changed:
    """Return the rows that have changed since the snapshot with that mark."""
    rows = slots.changed_since(mark)
    return Changed(rows, slots.first_seen[rows] > mark)


def pack_changes(
    form: Format,
    slots: Slots[tuple[str, ...]],
    mark: int,
    changed: Changed,
    arrays: Mapping[str, NDArray[Any]],
    names: Mapping[str, list[str]] | None = None,
) -> bytes:
    """Serialize the changed rows and their keys with the model's own `arrays` and `names`."""
    keys = [slots.keys[row] for row in changed.rows[changed.is_fresh].tolist()]
    own = {name: [key[i] for key in keys] for i, name in enumerate(form.key_lists)}
    shared: dict[str, NDArray[Any]] = {
        "changed": changed.rows,
        "is_fresh": changed.is_fresh,
        "last_seen": slots.last_seen[changed.rows],
        "steps": np.array([mark, slots.step], np.int64),
    }
    return pack(
        form.changes_kind,
        form.version,
        form.options,
        {**(names or {}), **own},
        {**shared, **arrays},
    )


def unpack_changes(
    state: bytes, form: Format, slots: Slots[tuple[str, ...]]
) -> tuple[Snapshot, Changed]:
    """Deserialize changes and check that they follow the present state of `slots`.

    Raises:
        ModelError: no changes of this model, damaged, made with other options, or they follow
            another state.
    """
    saved = unpack(state, form.changes_kind, form.version, form.options)
    steps = saved.array("steps", _INTS, 2)
    if steps[0] != slots.step or steps[1] < steps[0]:
        raise ModelError(
            f"the changes of {form.kind} follow the state after {steps[0]} sightings, but this "
            f"state is that after {slots.step}: a snapshot in between is missing"
        )
    count = len(saved.list_of(form.key_lists[0]))
    rows = saved.array("changed", _INTS, *_length(saved, "changed"))
    is_fresh = saved.array("is_fresh", np.zeros(0, np.bool_), len(rows))
    known, new = len(slots.keys), rows[rows >= len(slots.keys)]
    fits = (np.diff(rows) > 0).all() and (rows >= 0).all() and int(is_fresh.sum()) == count
    fits &= bool(is_fresh[rows >= known].all()) and known + len(new) <= slots.max_keys
    fits &= bool((new == np.arange(known, known + len(new))).all())
    if not fits:
        raise ModelError(f"the rows in the changes of {form.kind} do not fit: they are damaged")
    return saved, Changed(rows, is_fresh)


def replay_slots(
    saved: Snapshot, form: Format, slots: Slots[tuple[str, ...]], changed: Changed
) -> None:
    """Give `slots` the keys and times that they have after the changes.

    Raises:
        ModelError: the lists do not fit together.
    """
    columns = [saved.list_of(name) for name in form.key_lists]
    if len({len(column) for column in columns}) != 1:
        raise ModelError(f"the keys in the changes of {form.kind} do not fit: they are damaged")
    keys = zip(*columns, strict=True)
    fresh = dict(zip(changed.rows[changed.is_fresh].tolist(), keys, strict=True))
    last_seen = saved.array("last_seen", _INTS, len(changed.rows))
    step = int(saved.array("steps", _INTS, 2)[1])
    slots.replay(changed.rows.tolist(), fresh, last_seen, step)


def _length(saved: Snapshot, name: str) -> list[int]:
    """Return the shape that an array says to have; `Snapshot.array` checks it."""
    array = saved.arrays.get(name)
    return [0] if array is None or len(array.shape) != 1 else array.shape


class Marks:
    """How many values each row had learned at the last snapshots.

    Of a window, only the values that came after a snapshot have to be stored again. Memory: 8 bytes
    for each row and mark, of two marks at most: of the last stored snapshot, and of the last one.
    """

    def __init__(self) -> None:
        self._totals: dict[int, Ints] = {}

    def keep(self, mark: int, totals: Ints, *others: int) -> None:
        """Remember the totals (rows,) at a mark; forget all marks but this and the others."""
        kept = {other: self._totals[other] for other in others if other in self._totals}
        self._totals = {**kept, mark: totals}

    def __contains__(self, mark: int) -> bool:
        """Return whether the totals at that mark are known."""
        return mark in self._totals

    def totals_at(self, mark: int, changed: Changed) -> Ints:
        """Return the totals (n,) of changed rows at a known mark; 0 for those with a new key."""
        totals = self._totals[mark]
        before = np.zeros(len(changed.rows), np.int64)
        old = ~changed.is_fresh
        before[old] = totals[changed.rows[old]]
        return before
