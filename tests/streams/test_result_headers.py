"""Headers that are encoded together equal those that are encoded one by one."""

from __future__ import annotations

import pytest

from schemas.cloudevents import event_headers
from streams.batching import Chunk
from streams.offsets import OffsetTracker
from streams.result_headers import ResultHeaders
from tests.fakes import decode_headers, record_batch

SHARED = [("penstock_timing", b"batch=3")]


@pytest.mark.parametrize("first_offset", [0, 8, 98, 2**40])
@pytest.mark.parametrize("rows", [[0], [1, 2], list(range(5))])
def test_each_row_has_its_id_and_time(first_offset: int, rows: list[int]) -> None:
    batch = record_batch([b"{}"] * 5, tracker=OffsetTracker(), first_offset=first_offset)
    chunk = Chunk[object](batch, rows, rows)
    times_ms = [0 if row == 1 else 1_700_000_000_123 + row for row in rows]
    headers = ResultHeaders("double", "penstock/double", "application/json", SHARED)
    for kind in ("penstock.score.v1", "other", "other"):
        encoded = headers.encode(kind, chunk, times_ms)
        for row, time_ms, packed in zip(rows, times_ms, encoded, strict=True):
            expected = event_headers(
                event_id=f"numbers:0:{first_offset + row}:double:{kind}:0",
                type_name=kind,
                source="penstock/double",
                time_ms=time_ms,
                content_type="application/json",
            )
            assert sorted(decode_headers(packed)) == sorted([*expected, *SHARED])
