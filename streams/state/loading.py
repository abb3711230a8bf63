"""Find the snapshots of a partition that a worker continues from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from streams.kafka.positions import is_same_topic
from streams.state.chain import number_before_next
from streams.state.snapshot import (
    Snapshot,
    StateKey,
    StateMismatchError,
    StateStore,
    decode_snapshot,
)

logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """The result of `load_snapshot`."""

    snapshot: Snapshot | None
    """The whole snapshot to continue from; None: start fresh."""
    sequence: int
    """The number after which the next whole snapshot has its number; -1 if the store is empty."""
    offsets_ahead: tuple[int, ...] = ()
    """What stored snapshots cover that have learned from records still to be answered."""
    num_of_earlier_topic: int = 0
    """Snapshots of a deleted topic of this name."""
    changes: tuple[Snapshot, ...] = ()
    """What has changed since `snapshot`, in order."""
    num_damaged: int = 0
    """Later snapshots and changes that can't be used: damaged, or one before them is lost."""

    @property
    def next_offset(self) -> int:
        """The next offset that the model learns from, once it is restored."""
        assert self.snapshot is not None
        return (self.snapshot, *self.changes)[-1].next_offset


def load_snapshot(
    store: StateStore,
    key: StateKey,
    committed: int,
    topic_id: str = "",
    is_expected: bool = True,
) -> Loaded:
    """Return the latest state that has learned from no record at or above an offset.

    Later snapshots have learned from records that are still to be answered. They exist if the
    group's offset was set back. Snapshots of an earlier topic of this name are passed over: their
    offsets say nothing about this one. Where some of a chain's changes are damaged or lost, the
    whole snapshot and the changes before them are used.

    Args:
        store: the store of snapshots.
        key: the agent and partition.
        committed: the offset of the first record to answer.
        topic_id: the topic that it belongs to; "" if the broker gives no ids.
        is_expected: whether there should be a snapshot, wherever it is; see `StateStore.saved`.

    Raises:
        StateMismatchError: there are snapshots, and none can be read.
        StateStoreError: the store can't be read.
    """
    damaged: StateMismatchError | None = None
    last_sequence, last_base, ahead, num_earlier, num_damaged = -1, -1, list[int](), 0, 0
    changes: list[Snapshot] = []
    for encoded in store.saved(key, is_expected):
        try:
            snapshot = decode_snapshot(encoded)
        except StateMismatchError as error:
            logger.warning("%s: %s: looking for an earlier one", key, error)
            damaged, num_damaged = error, num_damaged + 1
            continue
        if last_sequence < 0:
            last_base = snapshot.base if snapshot.is_changes else snapshot.sequence
        last_sequence = max(last_sequence, snapshot.sequence)
        if not is_same_topic(snapshot.topic_id, topic_id):
            num_earlier += 1
        elif snapshot.is_changes:
            changes.append(snapshot)
        else:
            following, num_cut = _following(snapshot, changes, key)
            changes = [each for each in changes if each.base != snapshot.sequence]
            # Of a later chain, whose whole snapshot is lost.
            num_damaged += num_cut + sum(each.base > snapshot.sequence for each in changes)
            if snapshot.next_offset <= committed:
                fit = takewhile(lambda each: each.next_offset <= committed, following)
                number = number_before_next(last_sequence, last_base)
                return Loaded(snapshot, number, (), 0, tuple(fit), num_damaged)
            ahead.append(snapshot.next_offset)
    if damaged is not None and not ahead and not num_earlier:
        raise StateMismatchError(f"{key}: {damaged}")
    number = number_before_next(last_sequence, last_base)
    return Loaded(None, number, tuple(ahead), num_earlier, (), num_damaged + len(changes))


def _following(
    base: Snapshot, changes: Sequence[Snapshot], key: StateKey
) -> tuple[list[Snapshot], int]:
    """Return the changes that follow a whole snapshot without a gap, and how many others do not."""
    own = sorted((c for c in changes if c.base == base.sequence), key=lambda c: c.sequence)
    following, last = list[Snapshot](), base
    for change in own:
        if change.follows != last.snapshot_id:
            logger.warning(
                "%s: the changes after offset %d are lost or damaged: %d later ones can't be used",
                *(key, last.next_offset, len(own) - len(following)),
            )
            break
        following.append(change)
        last = change
    return following, len(own) - len(following)
