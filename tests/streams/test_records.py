from __future__ import annotations

import pytest

from streams.kafka.record_format import CODECS
from streams.output_records import OutputRecord, OutputRecords, Packing
from streams.records import RawRecords


def fetched(*offsets: int) -> RawRecords:
    values: list[bytes | None] = [b"v" * (at % 3) or None for at in offsets]
    keys: list[bytes | None] = [b"k%d" % at for at in offsets]
    num_bytes = sum(len(each or b"") for each in (*keys, *values))
    return RawRecords(list(offsets), list(offsets), keys, values, [()] * len(offsets), num_bytes)


@pytest.mark.parametrize("offset", [0, 10, 11, 14, 20, 21, 99])
def test_each_record_is_on_its_side_of_the_offset(offset: int) -> None:
    whole = fetched(10, 11, 13, 14, 20)
    below, others = whole.split(offset)
    assert below is None or below == fetched(*(at for at in whole.offsets if at < offset))
    assert others is None or others == fetched(*(at for at in whole.offsets if at >= offset))
    assert [at for side in (below, others) if side for at in side.offsets] == whole.offsets


@pytest.mark.parametrize("codec", CODECS.values())
def test_what_is_packed_is_unpacked_again(codec: int) -> None:
    columns = OutputRecords.of(
        OutputRecord(b"k" * at or None, b"v" * at, [("h" * 20, b"%d" % at)]) for at in range(100)
    )
    packed = columns.pack(Packing(500, codec))
    assert len(packed.batches) > 10
    assert len(packed) == 100
    assert packed.unpack() == columns
    assert columns.rows(3, 5) == packed.unpack().rows(3, 5)
    assert not OutputRecords().pack(Packing(500, codec))
