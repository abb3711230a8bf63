"""Raw records of a partition are split at an offset."""

from __future__ import annotations

import pytest

from streams.records import RawRecords


def fetched(*offsets: int) -> RawRecords:
    values: list[bytes | None] = [b"v" * (offset % 3) or None for offset in offsets]
    keys: list[bytes | None] = [b"k%d" % offset for offset in offsets]
    num_bytes = sum(len(content or b"") for content in (*keys, *values))
    return RawRecords(list(offsets), list(offsets), keys, values, [()] * len(offsets), num_bytes)


@pytest.mark.parametrize("offset", [0, 10, 11, 14, 20, 21, 99])
def test_records_are_split_at_an_offset(offset: int) -> None:
    whole = fetched(10, 11, 13, 14, 20)
    below, rest = whole.split(offset)
    assert below is None or below == fetched(*(o for o in whole.offsets if o < offset))
    assert rest is None or rest == fetched(*(o for o in whole.offsets if o >= offset))
    assert [o for side in (below, rest) if side for o in side.offsets] == whole.offsets
