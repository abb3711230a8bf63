"""Any value maps or is refused and never crashes, and a twin reads it as the full rules do."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import BehaviorEvent, Event, InputError, SensorReading, TextMessage
from schemas.mapping.converting import ConvertMapping
from schemas.mapping.envelopes import open_cloudevent, open_connect
from schemas.mapping.field_spec import parse_fields
from schemas.mapping.fields import FieldMapping
from schemas.mapping.paths import Scope
from schemas.mapping.reader import RecordReader
from schemas.mapping.twins import twin_of
from schemas.mapping.where import parse_where
from schemas.values import VALUE_CODECS, RecordParts

NAMES = st.sampled_from(["id", "ts", "data", "a", "b", "on", "readings", "text", "x y"])
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(0, 2 * 10**12), st.floats(), st.integers(-2, 2)
)
TIMES = st.sampled_from(
    ["2026-11-28T05:26:18.454+01:00", "2026-11-28T05:26:18Z", "2026-11-28 05:26", "2026-11-28",
     "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999-23:59", "1969-12-31T23:59:59.999Z",
     "2026-11-28t05:26:18z", "not a time", "", "1764307578", "20261128T052618Z"]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TIMES, st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, st.text(max_size=3)), inner)
    ),
    max_leaves=12,
)
#: Most of these fit most mappings.
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.text(max_size=5), SCALARS),
        "ts": st.one_of(st.integers(0, 2**53), TIMES, NUMBERS, SCALARS),
        "data": st.one_of(
            st.dictionaries(NAMES, st.one_of(NUMBERS, st.none(), st.booleans())), VALUES
        ),
        "a": st.one_of(NUMBERS, SCALARS),
        "b": st.one_of(NUMBERS, SCALARS),
        "text": SCALARS,
        "x y": VALUES,
        "readings": st.lists(st.dictionaries(NAMES, SCALARS, max_size=5), max_size=3),
    },
)
ANY = st.one_of(LIKELY, VALUES)
MAPPINGS: list[tuple[type[Event], dict[str, Any]]] = [
    (SensorReading, {"source_id": "id", "event_time": {"path": "ts", "format": "unix_ms"},
                     "values": ["a", "b"]}),
    (SensorReading, {"source_id": "id", "event_time": {"path": "ts", "format": "unix_s"},
                     "values": {"from": "data"}}),
    (SensorReading, {"source_id": "id", "event_time": {"path": "ts", "format": "unix_us"},
                     "values": {"one": "data.a", "two": "data.b"}}),
    (SensorReading, {"source_id": "id", "event_time": {"path": "ts", "format": "unix_ns"},
                     "values": {"from": "data", "rename": {"a": "b"}}}),
    (SensorReading, {"event_time": {"path": "ts", "format": "iso8601"},
                     "values": {"from": "data", "exclude": ["o*"]}}),
    (SensorReading, {"event_time": {"path": "ts", "format": "iso8601", "zone": "UTC"},
                     "values": {"from": "data", "numeric_text": True, "not_numbers": "skip"}}),
    (SensorReading, {"each": "readings", "source_id": {"path": "$value.id", "optional": True},
                     "values": ["a", "on"]}),
    (BehaviorEvent, {"action": "text", "source_id": "$key", "features": {"from": "data"}}),
    (TextMessage, {"text": "text", "language": "$header.lang", "event_id": "$value.id"}),
    (TextMessage, {"text": 'data["x y"][-1]', "event_time": {"path": "$timestamp"}}),
]  # fmt: skip
RECORD = RecordParts(b"key", [("lang", b"en"), ("bad", b"\xff")], 1_764_307_578_454)


def reader(event_type: type[Event], fields: dict[str, Any], codec: str = "json") -> RecordReader:
    spec = parse_fields(fields, event_type)
    mapping = FieldMapping(spec, event_type)
    return RecordReader(VALUE_CODECS[codec](), mapping, twin=twin_of(spec, event_type, codec))


def outcome(read: Any) -> Any:
    """Return the events, why there are none, or the reason of the refusal."""
    try:
        return read()
    except InputError as error:
        return error.reason if str(error) else "no message"


def check(event: Event) -> None:
    """The event is as its type says: its own JSON form can be read again."""
    encoded = msgspec.json.encode(event)
    assert msgspec.json.decode(encoded, type=type(event)) == event


@pytest.mark.parametrize("mapping", MAPPINGS, ids=str)
@given(value=ANY)
@settings(max_examples=150)
def test_any_json_value_maps_or_is_refused(mapping: Any, value: Any) -> None:
    encoded = json.dumps(value).encode()  # with NaN and Infinity, as some producers write them
    events = outcome(lambda: reader(*mapping).read(encoded, RECORD))
    assert events not in ("no message", ())
    if not isinstance(events, str):
        for event in events:
            check(event)


@pytest.mark.parametrize("mapping", MAPPINGS, ids=str)
@given(value=ANY)
@settings(max_examples=100)
def test_any_messagepack_value_maps_or_is_refused(mapping: Any, value: Any) -> None:
    try:
        encoded = msgspec.msgpack.encode(value)
    except (OverflowError, msgspec.MsgspecError):
        return  # a number that MessagePack can't hold
    events = outcome(lambda: reader(mapping[0], mapping[1], "msgpack").read(encoded, RECORD))
    for event in () if isinstance(events, str) else events:
        check(event)


@pytest.mark.parametrize("mapping", MAPPINGS[:5], ids=str)
@given(value=ANY)
@settings(max_examples=400)
def test_a_twin_agrees_with_the_full_rules(mapping: Any, value: Any) -> None:
    event_type, fields = mapping
    spec = parse_fields(fields, event_type)
    twin = twin_of(spec, event_type, "json")
    assert twin is not None
    encoded = json.dumps(value).encode()
    try:
        by_twin = twin.read_all([encoded])
    except Exception:
        return  # the full rules decide
    plain = RecordReader(VALUE_CODECS["json"](), FieldMapping(spec, event_type))
    assert outcome(lambda: list(plain.read(encoded, RECORD))) == by_twin


@given(value=ANY)
def test_any_value_converts_or_is_refused(value: Any) -> None:
    for event_type in (SensorReading, BehaviorEvent, TextMessage):
        mapping = ConvertMapping(event_type)
        outcome(lambda mapping=mapping: mapping.events(value, None))
    outcome(lambda: open_cloudevent(value))
    outcome(lambda: open_connect(value))


EXPRESSIONS = [
    "data.a > 1 && id != 'x'", "a == b || !has(data)", "id in ['a', \"b\", 3]", "on", "text < 'm'",
    'a in data && "x" in text', "readings[0].a >= -1.5e3", "!(a == null) && $key == 'key'",
    "$timestamp > 5 && $header.lang == 'en'", "true", "b in readings",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
@given(value=ANY)
def test_any_value_is_kept_dropped_or_refused(text: str, value: Any) -> None:
    scope = Scope(value, None, "key", {"lang": b"en"}, 7)
    assert outcome(lambda: parse_where(text).keeps(value, scope)) in (True, False, "schema_error")


def test_the_mappings_do_map() -> None:
    value = {
        "id": "p7", "ts": 1_764_307_578_454, "a": 1.5, "b": None, "text": "hello",
        "data": {"a": 1, "b": True, "x y": ["hi"]}, "readings": [{"a": 1}, {"on": False}],
    }  # fmt: skip
    mapped = 0
    for event_type, fields in MAPPINGS:
        format = fields.get("event_time", {}).get("format", "")
        made = {**value, "ts": "2026-11-28T05:26:18Z"} if format == "iso8601" else value
        if format == "unix_s":
            made["ts"] = 1_764_307_578
        if "data" in str(fields.get("values", fields.get("features"))):
            made = {**made, "data": {"c": 1, "o1": 2, "a": 4}}
        encoded = json.dumps(made).encode()
        events = outcome(lambda e=event_type, f=fields, v=encoded: reader(e, f).read(v, RECORD))
        assert not isinstance(events, str), (fields, events)
        mapped += len(events)
    assert mapped == len(MAPPINGS) + 1
    assert math.isfinite(mapped)
