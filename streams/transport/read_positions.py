"""Let watermarks and lag follow what can be read, not only the records that were read.

Behind the last record of a partition may be offsets without any: transaction markers, records of
aborted transactions, records removed by compaction. A fetch skips them. Once every record before
them is finished, the watermark passes them too, so that a partition of which nothing more can be
read has no lag, in the worker's metrics as in the group's committed offset.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from faust.types import TP

if TYPE_CHECKING:
    from streams.transport.consumer import Consumer


def note_read(consumer: Consumer, untracked: Set[TP]) -> None:
    """Note how far the last fetch has read; call it when its records are tracked.

    Args:
        consumer: the worker's consumer.
        untracked: partitions with records of this fetch that are not tracked yet.
    """
    tracker = consumer.assigned.tracker
    for tp, position in consumer._thread.positions.noted.items():
        if tp in untracked:
            continue
        has_begun = tracker.next_offset(tp) is not None
        # Before the first record, a position may differ from the committed offset: it is behind
        # markers, or where `auto.offset.reset` has put it.
        if has_begun or position != (consumer._committed_offset[tp] or 0):
            tracker.read_to(tp, position)


def export_lag(consumer: Consumer) -> None:
    """Export the lag of each partition, and request its position with the next fetch."""
    thread = consumer._thread
    thread.positions.are_wanted = True
    for tp in consumer.assignment():
        fetched = thread.fetched(tp)
        if fetched is None:
            continue
        unfinished = consumer.assigned.tracker.first_unfinished(tp)
        position = fetched.position if unfinished is None else unfinished
        num_records = max(fetched.end - position, 0)
        consumer.assigned.observe_lag(tp, num_records, thread.has_waiting(tp))
