"""What aiokafka parses becomes columns of few objects, and every record keeps its own place."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from streams.transport.consumer_thread import columns


@dataclass
class Parsed:
    offset: int
    key: bytes | None = b"k"
    value: bytes | None = b"value"
    timestamp: int | None = 1_700_000_000_000
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.mark.parametrize(
    "offsets", [[7], [7, 8, 9], [7, 9], [0, 1, 3, 4], [5, 8, 9], [3, 4, 4_000_000_000]]
)
def test_offsets_are_the_records_own_gaps_and_all(offsets: list[int]) -> None:
    """Compaction and what ends a transaction leave gaps."""
    found = columns([Parsed(offset) for offset in offsets])
    assert list(found.offsets) == offsets
    whole = offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    assert isinstance(found.offsets, range) == whole


def test_each_column_has_each_record() -> None:
    found = columns(
        [
            Parsed(1, key=None, headers=[("a", b"b")]),
            Parsed(2, value=None, timestamp=None),
            Parsed(3, timestamp=12),
        ]
    )
    assert found.keys == [None, b"k", b"k"]
    assert found.values == [b"value", None, b"value"]
    assert list(found.timestamps_ms) == [1_700_000_000_000, -1, 12]
    assert [list(headers) for headers in found.headers] == [[("a", b"b")], [], []]
    assert found.num_bytes == 12
