"""Each row of a mapped batch has one outcome, whatever its neighbors are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import SensorReading
from schemas.mapping.converting import ConvertMapping
from schemas.mapping.field_spec import parse_fields
from schemas.mapping.fields import FieldMapping
from schemas.mapping.reader import RecordReader
from schemas.mapping.twins import twin_of
from schemas.mapping.where import parse_where
from schemas.values import JsonValues
from streams.decoding import Decoded
from streams.mapped_decoding import MappedDecoder
from streams.offsets import OffsetTracker
from streams.settings import LimitSettings
from tests.fakes import record_batch

FLAT = {
    "source_id": "id", "event_time": {"path": "ts", "format": "unix_ms"}, "values": ["a", "b"]
}  # fmt: skip
EACH = {"each": "list", "values": ["a"]}


def decoder(fields: Any = None, where: str = "", **more: Any) -> MappedDecoder:
    mapping: Any = ConvertMapping(SensorReading)
    twin = None
    if fields:
        spec = parse_fields(fields, SensorReading)
        mapping, twin = FieldMapping(spec, SensorReading), twin_of(spec, SensorReading, "json")
    reader = RecordReader(
        JsonValues(), mapping, where=parse_where(where) if where else None, twin=twin, **more
    )
    return MappedDecoder(reader, 1000, LimitSettings(max_depth=5, max_header_bytes=200))


def decode(
    made: MappedDecoder,
    values: Sequence[bytes | None],
    headers: Sequence[Any] | None = None,
    keys: Sequence[bytes | None] | None = None,
) -> Decoded[Any]:
    batch = record_batch(values, tracker=OffsetTracker(), headers=headers, keys=keys)
    return made.decode(batch)


def outcomes(decoded: Decoded[Any], num_rows: int) -> list[Any]:
    """Return the one outcome of each row."""
    found: list[list[Any]] = [[] for _ in range(num_rows)]
    for row, event in zip(decoded.rows, decoded.events, strict=True):
        found[row].append(event)
    for row, error in decoded.failed:
        found[row].append((error.reason, str(error)))
    for row in decoded.tombstones:
        found[row].append("null")
    for reason, rows in decoded.filtered.items():
        for row in rows:
            found[row].append(reason)
    return found


ROWS = st.one_of(
    st.none(),
    st.sampled_from(
        [b"", b"{", b"[]", b"null", b'{"a": 1, "junk": 1e999}', b"[[[[[[1]]]]]]",
         b'\xef\xbb\xbf{"id": "x", "ts": 5, "a": 1, "b": 2}', b" " * 1001,
         b'{"id": "x", "ts": 5, "a": 1, "b": null, "list": []}',
         b'{"id": 7, "ts": 5.0, "a": true, "list": [{"a": 1}, {"a": 2}]}',
         b'{"id": "x", "ts": 5, "a": 1, "b": 2, "deep": [[[[[1]]]]]}',
         b'{"id": "x", "ts": 5, "a": 1, "b": 2, "list": [{"a": "x"}]}']
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    "made",
    [decoder(FLAT), decoder(FLAT, where="a == 1"), decoder(EACH), decoder(envelope="connect")],
)
@given(values=st.lists(ROWS, min_size=1, max_size=6))
@settings(max_examples=150)
def test_a_row_never_depends_on_its_neighbors(
    made: MappedDecoder, values: list[bytes | None]
) -> None:
    together = outcomes(decode(made, values), len(values))
    alone = [outcomes(decode(made, [value]), 1)[0] for value in values]
    for row, (outcome, expected) in enumerate(zip(together, alone, strict=True)):
        assert [_plain(o, row) for o in outcome] == [_plain(o, 0) for o in expected]
        assert outcome


def _plain(outcome: Any, row: int) -> Any:
    """Return an outcome without the timestamp that the fake broker gave the row."""
    if not isinstance(outcome, SensorReading):
        return outcome
    is_filled_in = outcome.event_time_ms == 1_700_000_000_000 + row
    return outcome.source_id, outcome.values, is_filled_in or outcome.event_time_ms


def test_where_filters_and_counts() -> None:
    values = [b'{"values": {"a": %d}}' % n for n in (1, 5, 2, 7)]
    decoded = decode(decoder(where="values.a < 4"), values)
    assert list(decoded.rows) == [0, 2]
    assert decoded.filtered == {"where": [1, 3]}


def test_several_events_of_a_record_have_its_row() -> None:
    values = [b'{"list": [{"a": 1}, {"a": 2}]}', b'{"list": []}', b'{"list": [{"a": 3}]}']
    decoded = decode(decoder(EACH), values)
    assert list(decoded.rows) == [0, 0, 2]
    assert [event.values["a"] for event in decoded.events] == [1, 2, 3]
    assert decoded.filtered == {"empty": [1]}


def cloudevent(data: Any, **more: Any) -> bytes:
    event = {"specversion": "1.0", "id": "e1", "source": "/plant", "type": "t", "data": data}
    return json.dumps({**event, **more}).encode()


def test_a_structured_cloudevent_by_its_content_type() -> None:
    headers = [[("content-type", b"application/cloudevents+json; charset=UTF-8")], ()]
    plain = b'{"id": "p1", "ts": 5, "a": 1, "b": 2}'
    value = cloudevent(json.loads(plain), time="2026-11-28T04:26:18.454Z")
    for made in (decoder(FLAT), decoder(FLAT, where="a == 1")):
        decoded = decode(made, [value, plain], headers)
        assert [(e.source_id, e.event_id) for e in decoded.events] == [("p1", "e1"), ("p1", "")]


def test_a_structured_cloudevent_fills_in_what_its_data_leaves_out() -> None:
    value = cloudevent({"values": {"a": 1}}, time="2026-11-28T04:26:18.454Z")
    made = decoder(envelope="cloudevents")
    expected = SensorReading(
        source_id="/plant", event_id="e1", event_time_ms=1_795_839_978_454, values={"a": 1.0}
    )
    assert decode(made, [value], keys=[None]).events == [expected]
    (event,) = decode(made, [value], keys=[b"pump-1"]).events
    assert event.source_id == "pump-1"  # as with CloudEvents in headers


def test_connect() -> None:
    made = decoder(envelope="connect")
    values = [
        b'{"schema": {"type": "struct"}, "payload": {"values": {"a": 1}}}',
        b'{"schema": null, "payload": null}',
        b'{"values": {"a": 1}}',
    ]
    decoded = decode(made, values)
    assert [event.values for event in decoded.events] == [{"a": 1.0}]
    assert decoded.filtered == {"tombstone": [1]}
    ((row, error),) = decoded.failed
    assert (row, error.reason) == (2, "schema_error")


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b" " * 1001, [], "too_large"),
        (b'{"a": [[[[[[1]]]]]]}', [], "too_large"),
        (b'{"values": {"a": 1}}', [("h", b"x" * 300)], "too_large"),
        (b"\0\0\0\0\x07{}", [], "decode_error"),
        (b"", [], "empty_value"),
    ],
)
def test_limits_and_refusals(value: bytes, headers: Any, reason: str) -> None:
    ((_, error),) = decode(decoder(where="true"), [value], [headers]).failed
    assert error.reason == reason
