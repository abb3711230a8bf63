"""Divides what a fetch brought into messages for an agent.

While a backlog is read, a fetch brings many records: each fetch takes two switches between threads.
An agent takes a message as a whole, and a rebalance waits for what agents have taken. So messages
stay small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streams.records import RawRecords, RecordBatch

#: Records of a message, at most.
MAX_RECORDS = 1000


def in_parts(records: RawRecords) -> Iterator[RawRecords]:
    """Yield a partition's records in parts that fit a message, in order."""
    num_rows = len(records.offsets)
    if num_rows <= MAX_RECORDS:
        yield records
        return
    for start in range(0, num_rows, MAX_RECORDS):
        yield records.rows(start, min(start + MAX_RECORDS, num_rows))


def in_messages(batches: Iterable[RecordBatch]) -> Iterator[list[RecordBatch]]:
    """Yield batches in messages, in order; each batch fits a message."""
    message: list[RecordBatch] = []
    room = MAX_RECORDS
    for batch in batches:
        if message and len(batch) > room:
            yield message
            message, room = [], MAX_RECORDS
        message.append(batch)
        room -= len(batch)
    if message:
        yield message
