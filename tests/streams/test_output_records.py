"""Output records are the same after packing and unpacking."""

from __future__ import annotations

import pytest

from streams.kafka.record_format import CODECS
from streams.output_records import OutputRecord, OutputRecords, Packing


@pytest.mark.parametrize("codec", CODECS.values())
def test_packed_records_are_unpacked_unchanged(codec: int) -> None:
    columns = OutputRecords.of(
        OutputRecord(b"k" * n or None, b"v" * n, [("h" * 20, b"%d" % n)]) for n in range(100)
    )
    packed = columns.pack(Packing(500, codec))
    assert len(packed.batches) > 10
    assert len(packed) == 100
    assert packed.unpack() == columns
    assert columns.rows(3, 5) == packed.unpack().rows(3, 5)
    assert not OutputRecords().pack(Packing(500, codec))
