from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from schemas import EVENT_TYPES, InputError
from schemas.mapping.field_spec import parse_fields
from schemas.mapping.fields import FieldMapping
from schemas.mapping.infer import Guesses, infer
from tests.schemas.mapping.test_properties import LIKELY, VALUES

MS = 1_795_839_978_454
NESTED = [
    {"deviceId": f"p{i % 3}", "ts": f"2026-11-28T05:26:{i:02}.454+01:00", "seq": i,
     "data": {"tempC": 21.5 + i, "rpm": None if i % 2 else 1200, "on": True, "state": "OK"}}
    for i in range(10)
]  # fmt: skip


def fields_of(guesses: Guesses | None) -> dict[str, Any]:
    assert guesses is not None
    return {guess.key: guess.value for guess in guesses.fields}


def test_nested_json() -> None:
    guesses = infer(NESTED)
    assert fields_of(guesses) == {
        "source_id": "deviceId",
        "event_time": {"path": "ts", "format": "iso8601"},
        "values": {"from": "data", "include": ["*"], "exclude": ["state"]},
    }
    assert guesses is not None
    assert (guesses.event, guesses.envelope, guesses.notes) == ("SensorReading", "none", [])
    assert guesses.fields[0].why == "by its name; 3 different in 10 values"


def test_a_few_bad_records_hide_nothing() -> None:
    bad = [{**NESTED[0], "ts": "yesterday"}, {**NESTED[0], "data": {"tempC": "hot", "on": True}}]
    guesses = infer(NESTED * 3 + bad)
    assert fields_of(guesses) == fields_of(infer(NESTED))
    assert guesses is not None
    assert guesses.fields[1].why.startswith("31 of 32 values are iso8601")
    assert guesses.fields[2].why.endswith("now and then no number: tempC")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (1_795_839_978, {"format": "unix_s"}),
        (1_795_839_978.5, {"format": "unix_s"}),
        (1_795_839_978_454, {"format": "unix_ms"}),
        (1_795_839_978_454_000, {"format": "unix_us"}),
        (1_795_839_978_454_000_000, {"format": "unix_ns"}),
        ("1795839978454", {"format": "unix_ms", "numeric_text": True}),
        ("2026-11-28 05:26:18", {"format": "iso8601", "zone": "UTC"}),
    ],
)
def test_formats_of_times(time: Any, expected: dict[str, Any]) -> None:
    fields = fields_of(infer([{"sensor": "a", "timestamp": time, "temp": 1.5, "bar": 2}] * 3))
    assert fields["event_time"] == {"path": "timestamp", **expected}
    assert fields["values"] == ["temp", "bar"]


def test_arrays_of_readings() -> None:
    values = [{"gateway_id": "g1", "rows": [{"at": 1_795_839_978 + i, "t": i} for i in range(3)]}]
    assert fields_of(infer(values)) == {
        "each": "rows",
        "source_id": "$value.gateway_id",
        "event_time": {"path": "at", "format": "unix_s"},
        "values": ["t"],
    }


def test_envelopes() -> None:
    inner = {"id": 4711, "amount": 5.5}
    connect = infer([{"schema": {}, "payload": inner}] * 2)
    assert connect is not None
    assert connect.envelope == "connect"
    assert fields_of(connect)["values"] == ["amount"]
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": inner}
    structured = infer([event] * 2)
    assert structured is not None
    assert structured.envelope == "cloudevents"


def test_texts_and_actions() -> None:
    texts = infer(
        [{"ticket_id": i, "body": "where is my order number " + str(i)} for i in range(5)]
    )
    assert texts is not None
    assert texts.event == "TextMessage"
    assert fields_of(texts)["text"] == "body"
    kinds = ["view", "buy"] * 5
    actions = infer([{"user": f"u{i}", "action": k, "pages": i} for i, k in enumerate(kinds)])
    assert actions is not None
    assert actions.event == "BehaviorEvent"
    assert fields_of(actions) == {"source_id": "user", "action": "action", "features": ["pages"]}


def test_what_can_not_be_guessed_is_said() -> None:
    guesses = infer([{"a b": 1.5, "state": "OK"}, 5])
    assert guesses is not None
    assert fields_of(guesses)["values"] == ['["a b"]']
    assert guesses.notes == [
        "1 of 2 values are objects",
        "no path names the source: the record's key does",
        "no path is a time: Kafka's timestamp of the record is",
    ]
    assert infer([5, "text", [1]]) is None


@given(value=LIKELY | VALUES)
@settings(max_examples=300)
def test_any_value_gives_guesses_that_can_be_used(value: Any) -> None:
    guesses = infer([value, value])
    if guesses is None or not fields_of(guesses).get("values", True):
        return
    event_type = EVENT_TYPES[guesses.event]
    mapping = FieldMapping(parse_fields(fields_of(guesses), event_type), event_type)
    try:
        mapping.events(value, None if not mapping.needs_scope else _scope(value))
    except InputError:
        pass


def _scope(value: Any) -> Any:
    from schemas.mapping.paths import Scope

    return Scope(value, None, "k", {}, 1)


def test_what_is_source_or_time_is_no_channel() -> None:
    rows = [
        {"op": "c", "after": {"id": i, "amount": 2.5, "qty": 1, "geo": {"x": 1}, "ts_ms": MS + i}}
        for i in range(5)
    ]
    fields = fields_of(infer([{"schema": {}, "payload": row} for row in rows]))
    assert fields["source_id"] == "after.id"
    assert fields["values"]["exclude"] == ["id", "geo", "ts_ms"]


def test_numbers_in_texts_among_numbers() -> None:
    fields = fields_of(infer([{"body": {"t": 21.5, "rh": "60.5", "state": "on"}}] * 3))
    assert fields["values"] == {
        "from": "body", "include": ["*"], "exclude": ["state"], "numeric_text": True
    }  # fmt: skip


def test_an_id_below_a_source_names_it() -> None:
    values = [{"id": 10**17 + i, "user": {"id": i % 2}, "text": "where is my order " * 3}
              for i in range(6)]  # fmt: skip
    assert fields_of(infer(values))["source_id"] == "user.id"


def test_a_list_of_readings_without_a_name() -> None:
    fields = fields_of(infer([[{"sensor": "s", "v": 2.5}, {"sensor": "t", "v": 3}]] * 3))
    assert fields == {"each": "$value", "source_id": "sensor", "values": ["v"]}


def test_pictures_in_texts() -> None:
    values: list[Any] = [{"cam": "c1", "shot": f"data:image/jpeg;base64,/9j/{i}"} for i in range(9)]
    guesses = infer([*values, {"cam": "c1", "shot": {"odd": 1}}])
    assert guesses is not None
    assert (guesses.event, fields_of(guesses)["image"]) == ("VideoFrame", "shot")


def test_an_event_has_its_time_and_source_from_the_envelope() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"v": 2.5}}
    guesses = infer([event] * 3)
    assert guesses is not None
    assert "no path names the source: the record's key does, else the envelope's source" in (
        guesses.notes
    )
