"""null is absent and booleans are 1 and 0 among measured values, in a batch and alone."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import BehaviorEvent, Event, SchemaError, SensorReading, TextMessage, make_codec
from schemas.lenient import lenient_type
from schemas.mapping.converting import ConvertMapping


class Counts(Event, frozen=True, kw_only=True, rename="camel"):
    item_counts: Annotated[dict[str, int], msgspec.Meta(min_length=1)]
    more: dict[str, float] = msgspec.field(default_factory=dict)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_null_is_absent_and_booleans_are_numbers(codec: str) -> None:
    read = make_codec(codec, SensorReading)
    value = read.encode({"values": {"bar": 2.5, "flow": None, "open": True, "shut": False}})
    expected = SensorReading(values={"bar": 2.5, "open": 1.0, "shut": 0.0})
    for event in (read.decode(value, {}), *read.decode_all([value, value])):
        assert event == expected
        assert isinstance(event, SensorReading)
        assert {type(number) for number in event.values.values()} == {float}


class Tuned(Event, frozen=True, kw_only=True):
    gain: float | None = 1.0
    tags: list[str] = msgspec.field(default_factory=lambda: ["new"])


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_null_is_absent_for_every_field_that_may_be_absent(codec: str) -> None:
    nothing = {"source_id": None, "event_time_ms": None, "event_id": None, "schema_version": None}
    protocol = {"json": msgspec.json, "msgpack": msgspec.msgpack}[codec]
    for expected, more in (
        (SensorReading(values={"a": 1.0}), {"values": {"a": 1.0, "b": None}}),
        (TextMessage(text="hello"), {"text": "hello"}),
        (BehaviorEvent(action="buy", features={"x": 1.0}), {"action": "buy", "features": {"x": 1}}),
    ):
        read = make_codec(codec, type(expected))
        value = protocol.encode({**more, **nothing})
        assert read.decode(value, {}) == expected
        assert list(read.decode_all([value, value])) == [expected, expected]
        mapping = ConvertMapping(type(expected))
        assert list(mapping.events({**more, **nothing}, None)) == [expected]
    with pytest.raises(SchemaError, match=r"null|None"):
        make_codec(codec, TextMessage).decode(protocol.encode({"text": None}), {})
    tuned = make_codec(codec, Tuned).decode(protocol.encode({"gain": None, "tags": None}), {})
    assert tuned == Tuned(gain=None)  # where the type has null, it means itself


def test_other_types_with_maps_of_numbers() -> None:
    features = b'{"action": "a", "features": {"x": null, "y": 1}}'
    assert make_codec("json", BehaviorEvent).decode(features, {}) == BehaviorEvent(
        action="a", features={"y": 1.0}
    )
    counts = make_codec("json", Counts).decode(b'{"itemCounts": {"a": true, "b": null}}', {})
    assert counts == Counts(item_counts={"a": 1})


def test_a_type_with_a_tag_has_no_twin() -> None:
    class Tagged(Event, frozen=True, kw_only=True, tag="tagged"):
        x: int = 0

    assert lenient_type(Tagged) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (b'{"door": "open", "bar": null}', "values.door: expected a number, found the text 'open'"),
        (b'{"a": null}', "values: each entry is null, expected a number in one of them"),
        (b'{"a": {"b": null}}', "values.a: expected a number, found an object with b"),
    ],
)
def test_the_channel_is_named(values: bytes, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        make_codec("json", SensorReading).decode(b'{"values": %s}' % values, {})


NUMBERS = st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.dictionaries(st.text(max_size=3), NUMBERS), min_size=1, max_size=4))
def test_a_batch_reads_as_its_records_do(channels: list[dict[str, float | None]]) -> None:
    read = make_codec("json", SensorReading)
    values = [read.encode({"values": each}) for each in channels]
    alone = []
    for value in values:
        try:
            alone.append(read.decode(value, {}))
        except SchemaError:
            return
    assert read.decode_all(values) == alone
