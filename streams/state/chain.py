"""Decide what a snapshot of a partition contains: all of its model's state, or what has changed.

A whole snapshot and the changes stored after it are a chain. Each part names the one that it
follows, so a restore never joins parts that do not belong together. A new chain begins

- with each worker that gets the partition: a chain has one writer;
- after `MAX_CHANGES` changes, or when they are together larger than the whole snapshot: so a
  restore reads at most about twice the bytes of the state;
- when the model has forgotten what the last snapshot contained.

Models that are not an `IncrementalModel` have whole snapshots only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from streams.online import Learned
from streams.state.snapshot import Snapshot, StateKey, new_snapshot_id

#: With the default interval of 30 s, a whole snapshot is stored every 16 minutes.
MAX_CHANGES = 32


@dataclass(slots=True)
class Chain:
    """The chain that a worker writes for one partition."""

    sequence: int
    """The number of the last stored snapshot; the next whole one has the number after it."""
    _base: int = -1
    """The number of the last whole snapshot that this worker stored; -1: none."""
    _is_open: bool = False
    """Whether changes may follow."""
    _base_bytes: int = 0
    _last_id: str = ""
    _mark: int | None = None
    """The model's mark at the last stored snapshot."""
    _num_changes: int = 0
    _changes_bytes: int = 0

    @property
    def since(self) -> int | None:
        """The mark since which the next snapshot may contain the changes; None: it is whole."""
        has_room = self._num_changes < MAX_CHANGES and self._changes_bytes <= self._base_bytes
        return self._mark if self._is_open and has_room else None

    def end(self) -> None:
        """Begin a new chain with the next snapshot: another worker may have had the partition."""
        self._is_open = False

    def snapshot(self, key: StateKey, topic_id: str, learned: Learned) -> Snapshot:
        """Return the next snapshot; call `stored` when the store has it."""
        if learned.is_changes:
            sequence, base = self.sequence + 1, self._base
        else:
            last = self.sequence
            sequence = 1 + (last if self._base < 0 else number_before_next(last, self._base))
            base = sequence if learned.mark is not None else -1
        return Snapshot(
            **key._asdict(),
            next_offset=learned.next_offset,
            sequence=sequence,
            model=learned.model,
            model_version=learned.model_version,
            learn_every=learned.learn_every,
            saved_at_ms=time.time_ns() // 1_000_000,
            state=learned.state,
            topic_id=topic_id,
            base=base,
            snapshot_id=new_snapshot_id() if learned.mark is not None else "",
            follows=self._last_id if learned.is_changes else "",
        )

    def stored(self, snapshot: Snapshot, mark: int | None, num_bytes: int) -> None:
        """Note that the store has a snapshot, of the model's state at that mark."""
        self.sequence, self._last_id, self._mark = snapshot.sequence, snapshot.snapshot_id, mark
        if snapshot.is_changes:
            self._num_changes += 1
            self._changes_bytes += num_bytes
            return
        self._base, self._is_open = snapshot.sequence, mark is not None
        self._base_bytes, self._num_changes, self._changes_bytes = num_bytes, 0, 0


def number_before_next(last: int, base: int) -> int:
    """Return the number before that of the next whole snapshot.

    A store with two places for chains writes them in turn: the odd and the even ones.

    Args:
        last: the highest number so far; -1: none.
        base: the number of the last whole snapshot.
    """
    return last if (last + 1 - base) % 2 else last + 1
