"""Every row of a batch becomes an event, a failure or a tombstone."""

from __future__ import annotations

import msgspec
import pytest

from schemas import Event, SensorReading, make_codec
from streams.decoding import Decoder
from streams.offsets import OffsetTracker
from tests.fakes import record_batch

GOOD = b'{"source_id": "s", "event_time_ms": 5, "values": {"a": 1}}'


def decode(
    value: bytes | None, *, key: bytes | None = b"k", headers: list[tuple[str, bytes]] | None = None
) -> object:
    decoder: Decoder[SensorReading] = Decoder(
        make_codec("json", SensorReading), 1000, None, SensorReading
    )
    batch = record_batch(
        [value], tracker=OffsetTracker(), keys=[key], headers=[headers or []], topic="t"
    )
    decoded = decoder.decode(batch)
    assert len(decoded.events) + len(decoded.failed) + len(decoded.tombstones) == 1
    if decoded.failed:
        return decoded.failed[0][1]
    return decoded.events[0] if decoded.events else None


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (b"", "empty_value", "no bytes"),
        (b"{", "decode_error", "JSON"),
        (b"\xff\xfe", "decode_error", "JSON"),
        (b"[1]", "schema_error", "Expected `object`, got `array`"),
        (
            b'{"values": {"a": "x"}}',
            "schema_error",
            "values.a: expected a number, found",
        ),
        (b'{"values": {"a": NaN}}', "decode_error", "JSON"),
        (b'{"values": {"a": 1e999}}', "schema_error", "out of range"),
        (b'{"values": {}}', "schema_error", "length >= 1"),
        (b'{"values": {"a": 1}, "schema_version": 9}', "unknown_schema_version", "this build"),
        (b" " * 1001, "too_large", "1,001 bytes: this agent's max_record_bytes is 1,000"),
    ],
)
def test_bad_values(value: bytes, reason: str, words: str) -> None:
    error = decode(value)
    assert isinstance(error, ValueError)
    assert getattr(error, "reason", "") == reason
    with pytest.raises(ValueError, match=words):
        raise error


def test_a_binary_key_names_the_source_in_hexadecimal_digits() -> None:
    event = decode(b'{"values": {"a": 1}}', key=b"\xff\x00")
    assert isinstance(event, SensorReading)
    assert event.source_id == "0xff00"
    assert decode(GOOD, key=b"\xff") == msgspec.json.decode(GOOD, type=SensorReading)


def test_missing_fields_are_taken_from_key_headers_and_timestamp() -> None:
    headers = [("ce_id", b"e1"), ("ce_time", b"2023-11-14T22:13:21Z"), ("ce_source", b"plant")]
    event = decode(b'{"values": {"a": 1}}', headers=headers)
    assert isinstance(event, SensorReading)
    assert (event.source_id, event.event_id) == ("k", "e1")
    assert event.event_time_ms == 1_700_000_001_000
    event = decode(b'{"values": {"a": 1}}', key=None, headers=headers)
    assert isinstance(event, SensorReading)
    assert event.source_id == "plant"
    event = decode(b'{"values": {"a": 1}}')
    assert isinstance(event, SensorReading)
    assert event.event_time_ms == 1_700_000_000_000


def test_a_null_value_is_a_tombstone() -> None:
    assert decode(None) is None


STRUCTURED = [("content-type", b"application/cloudevents+json")]
CLOUDEVENT = (
    b'{"specversion": "1.0", "id": "e1", "source": "/plant", "type": "t",'
    b' "time": "2023-11-14T22:13:21Z", "data": %s}'
)


def test_a_structured_cloudevent_is_read_by_its_content_type() -> None:
    event = decode(CLOUDEVENT % b'{"values": {"a": 1}}', headers=STRUCTURED)
    assert event == SensorReading(
        source_id="k", event_id="e1", event_time_ms=1_700_000_001_000, values={"a": 1.0}
    )
    for data in (b"null", b'{"value": 1}'):
        error = decode(CLOUDEVENT % data, headers=STRUCTURED)
        assert getattr(error, "reason", "") == "schema_error"


class Anything(Event, frozen=True, kw_only=True):
    note: str = "none"


def test_a_type_that_needs_nothing_does_not_take_an_envelope_for_an_event() -> None:
    made: Decoder[Anything] = Decoder(make_codec("json", Anything), 1000, None, Anything)
    value = CLOUDEVENT % b'{"note": "here"}'
    batch = record_batch([value], tracker=OffsetTracker(), headers=[STRUCTURED])
    assert [event.note for event in made.decode(batch).events] == ["here"]


@pytest.mark.parametrize(
    "kind", [b"application/cloudevents+json", b"application/cloudevents+avro", b"text/plain"]
)
def test_an_event_as_it_stands_is_one_whatever_its_neighbors_and_headers_are(kind: bytes) -> None:
    codec = make_codec("json", SensorReading)
    made: Decoder[SensorReading] = Decoder(codec, 1000, None, SensorReading)
    headers = [[("content-type", kind)]] * 2
    for values in ([GOOD, GOOD], [GOOD, b"{"]):
        batch = record_batch(values, tracker=OffsetTracker(), headers=headers)
        assert made.decode(batch).events[0] == codec.decode(GOOD, {})
