"""A large fetch becomes several messages, each with whole record batches, in order."""

from __future__ import annotations

import pytest

from streams.fetch_messages import in_messages, in_parts
from streams.offsets import OffsetTracker
from streams.records import RawRecords
from tests.fakes import record_batch


@pytest.mark.parametrize(
    ("num_rows", "sizes"), [(1, [1]), (1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])]
)
def test_the_records_of_a_partition_are_divided(num_rows: int, sizes: list[int]) -> None:
    values: list[bytes | None] = [b"x"] * num_rows
    offsets = range(7, 7 + num_rows)
    raw = RawRecords(offsets, offsets, values, values, [()] * num_rows, 2 * num_rows)
    parts = list(in_parts(raw))
    assert [len(part.values) for part in parts] == sizes
    assert [offset for part in parts for offset in part.offsets] == list(offsets)
    assert sum(part.num_bytes for part in parts) == raw.num_bytes


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        ([], []),
        ([1] * 16, [[1] * 16]),
        ([1000, 1000, 500], [[1000], [1000], [500]]),
        ([600, 400, 1, 999, 2], [[600, 400], [1, 999], [2]]),
    ],
)
def test_batches_share_a_message_while_they_fit(
    sizes: list[int], messages: list[list[int]]
) -> None:
    tracker = OffsetTracker()
    batches = [
        record_batch([b"x"] * size, tracker=tracker, partition=partition)
        for partition, size in enumerate(sizes)
    ]
    divided = list(in_messages(batches))
    assert [[len(batch) for batch in message] for message in divided] == messages
    assert [batch for message in divided for batch in message] == batches
