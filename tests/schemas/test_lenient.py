"""null is absent and booleans are 1 and 0 among measured values, in a batch and alone."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import BehaviorEvent, Event, SchemaError, SensorReading, TextMessage, make_codec
from schemas.lenient import lenient_type


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


def test_other_types_with_maps_of_numbers() -> None:
    features = b'{"action": "a", "features": {"x": null, "y": 1}}'
    assert make_codec("json", BehaviorEvent).decode(features, {}) == BehaviorEvent(
        action="a", features={"y": 1.0}
    )
    counts = make_codec("json", Counts).decode(b'{"itemCounts": {"a": true, "b": null}}', {})
    assert counts == Counts(item_counts={"a": 1})


def test_types_without_such_maps_have_no_twin() -> None:
    assert lenient_type(TextMessage) is None


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
