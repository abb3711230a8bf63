from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import (
    BehaviorEvent,
    Event,
    InputError,
    SchemaError,
    SensorReading,
    TextMessage,
    TooLargeError,
    VideoFrame,
)
from schemas.mapping.field_spec import parse_fields
from schemas.mapping.fields import MAX_EVENTS, FieldMapping
from schemas.mapping.paths import Scope

#: The value and the mapping that issue writes of this kind show.
VALUE = {
    "deviceId": "p7",
    "ts": "2026-11-28T05:26:18.454+01:00",
    "data": {"tempC": 21.5, "rpm": None, "on": True},
}
FIELDS = {
    "source_id": "deviceId",
    "event_time": {"path": "ts", "format": "iso8601"},
    "values": {"from": "data", "include": ["*"], "rename": {"tempC": "temperature_c"}},
}
SCOPE = Scope(None, None, "k1", {"seq": b"7", "camera": b"c1", "ts": b"1764307578454"}, 17)


def mapped(fields: dict[str, Any], value: Any, event_type: type[Event] = SensorReading) -> Any:
    mapping = FieldMapping(parse_fields(fields, event_type), event_type)
    scope = SCOPE._replace(value=value)
    events = mapping.events(value, scope)
    return events[0] if "each" not in fields else events


def refusal(fields: dict[str, Any], value: Any, event_type: type[Event] = SensorReading) -> str:
    with pytest.raises(InputError) as raised:
        mapped(fields, value, event_type)
    return str(raised.value)


def test_nested_values_with_iso_times() -> None:
    assert mapped(FIELDS, VALUE) == SensorReading(
        source_id="p7",
        event_time_ms=1_795_839_978_454,
        values={"temperature_c": 21.5, "on": 1.0},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"deviceId": None}, "deviceId: absent or null, and needed for source_id"),
        ({"deviceId": 1.5}, "deviceId: expected a text or a whole number, found the number 1.5"),
        ({"deviceId": "x" * 4097}, "deviceId: has 4,097 characters, expected at most 4,096"),
        ({"ts": None}, "ts: absent or null, and needed for event_time_ms"),
        ({"ts": "noon"}, "ts: expected an ISO 8601 time such as"),
        ({"data": None}, "data: expected an object with numbers, found null or absent"),
        ({"data": [1]}, "data: expected an object with numbers, found a list of 1"),
        ({"data": {}}, "data: no channel has a value in an empty object"),
        ({"data": {"a": None}}, "data: no channel has a value in an object with a"),
        ({"data": {"a": "OK"}}, "data.a: expected a number, found the text 'OK' (leave it out"),
        ({"data": {"a": math.nan}}, "data.a: expected a finite number, found the number nan"),
        ({"data": {"a": 10**400}}, "data.a: expected a finite number, found the number of"),
        ({"data": {"tempC": 1, "temperature_c": 2}}, "data: two entries have the channel name"),
        ({"data": {f"c{i}": i for i in range(1025)}}, "has 1,025 channels, expected at most 1,024"),
    ],
)
def test_a_refusal_names_the_path_and_what_was_found(change: Any, message: str) -> None:
    assert refusal(FIELDS, {**VALUE, **change}).startswith(message)


def test_a_whole_number_names_a_source() -> None:
    assert mapped(FIELDS, {**VALUE, "deviceId": 2**60}).source_id == str(2**60)


@pytest.mark.parametrize(
    "values", [["a.x", "b"], {"x": "a.x", "b": "b"}, {"from": "c", "exclude": ["o*", "n"]}]
)
def test_ways_to_name_channels(values: Any) -> None:
    value = {"a": {"x": 1}, "b": 2, "c": {"x": 1, "b": 2.0, "other": "text", "n": 3}}
    assert mapped({"values": values}, value).values == {"x": 1.0, "b": 2.0}


def test_a_channel_comes_and_goes() -> None:
    fields = {"values": ["a", "b.c"]}
    assert mapped(fields, {"a": 1}).values == {"a": 1.0}
    assert mapped(fields, {"b": {"c": False}}).values == {"c": 0.0}
    assert refusal(fields, {"b": None}) == "no channel has a value: a, b.c: null or absent"


def test_texts_among_the_numbers() -> None:
    value = {"d": {"a": "1.5", "b": 2, "c": "OK", "l": [1]}}
    skip = {"from": "d", "not_numbers": "skip"}
    assert mapped({"values": skip}, value).values == {"b": 2.0}
    assert mapped({"values": {**skip, "numeric_text": True}}, value).values == {"a": 1.5, "b": 2.0}
    infinite = {"d": {"a": "inf", "b": math.inf}}
    assert "d.b: expected a finite number" in refusal({"values": skip}, infinite)


def test_key_headers_and_timestamp() -> None:
    fields = {
        "source_id": "$key",
        "event_time": {"path": "$header.ts", "format": "unix_ms"},
        "event_id": "$header.none",
        "values": {"number": "$header.seq", "a": "a"},
    }
    assert mapped(fields, {"a": 1}) == SensorReading(
        source_id="k1", event_time_ms=1_764_307_578_454, values={"number": 7.0, "a": 1.0}
    )
    assert mapped({"event_time": "$timestamp", "values": ["a"]}, {"a": 1}).event_time_ms == 17


def test_optional_fields_have_their_defaults() -> None:
    fields = {
        "source_id": {"path": "id", "optional": True},
        "event_time": {"path": "ts", "format": "unix_s", "optional": True},
        "text": "t",
        "language": "lang",
    }
    assert mapped(fields, {"t": "hi"}, TextMessage) == TextMessage(text="hi")
    assert refusal(fields, {"t": None}, TextMessage) == "t: absent or null, and needed for text"
    assert refusal(fields, {"t": ""}, TextMessage) == "t: has 0 characters, expected at least 1"


def test_actions() -> None:
    fields = {"action": "event.name", "features": {"from": "event.numbers"}}
    value = {"event": {"name": "buy", "numbers": {"eur": 5}}}
    assert mapped(fields, value, BehaviorEvent) == BehaviorEvent(
        action="buy", features={"eur": 5.0}
    )


class Tap(Event, frozen=True, kw_only=True):
    liters: float
    is_open: bool = False
    count: int = 3
    tags: list[str] = msgspec.field(default_factory=list)

    def validate(self) -> None:
        if self.liters < 0:
            raise SchemaError("liters is below 0")


def test_your_own_event_type() -> None:
    fields = {"liters": "l", "is_open": "o", "count": "c", "tags": "t"}
    value = {"l": 1, "o": 1, "c": 2.0, "t": ["a"]}
    assert mapped(fields, value, Tap) == Tap(liters=1.0, is_open=True, count=2, tags=["a"])
    assert mapped(fields, {"l": 1}, Tap) == Tap(liters=1.0)
    assert refusal(fields, {"l": -1}, Tap) == "liters is below 0"
    assert refusal(fields, {"l": 1, "c": 1.5}, Tap) == (
        "c: expected a whole number, found the number 1.5"
    )
    assert refusal(fields, {"l": 1, "t": [1]}, Tap).startswith("t: Expected `str`, got `int`")


EACH = {
    "each": "readings",
    "source_id": "$value.device",
    "event_time": {"path": "at", "format": "unix_s"},
    "values": ["t"],
}


def test_each_reading_is_an_event() -> None:
    value = {"device": "d", "readings": [{"at": 1, "t": 5}, {"at": 2, "t": 6}]}
    assert mapped(EACH, value) == [
        SensorReading(source_id="d", event_time_ms=1000, values={"t": 5.0}),
        SensorReading(source_id="d", event_time_ms=2000, values={"t": 6.0}),
    ]
    assert mapped(EACH, {"device": "d", "readings": []}) == []


def test_one_bad_reading_refuses_the_record_and_is_named() -> None:
    value = {"device": "d", "readings": [{"at": 1, "t": 5}, {"at": 2, "t": "x"}]}
    assert refusal(EACH, value).startswith("readings[1]: t: expected a number, found the text 'x'")
    assert refusal(EACH, {"device": "d"}) == (
        "readings: expected a list of readings, found null or absent"
    )
    many = {"device": "d", "readings": [{"at": 1, "t": 5}] * (MAX_EVENTS + 1)}
    with pytest.raises(TooLargeError, match=r"10,001 readings in one record"):
        mapped(EACH, many)


PNG = VideoFrame.example().image


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PNG).decode(),
        base64.urlsafe_b64encode(PNG).decode().rstrip("="),
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        base64.encodebytes(PNG).decode(),
    ],
)
def test_pictures_in_base64(text: str) -> None:
    assert mapped({"image": "frame.jpeg"}, {"frame": {"jpeg": text}}, VideoFrame).image == PNG


def test_what_is_no_base64_is_refused() -> None:
    for text in ("not base64!", "data:image/png,raw", "data:x"):
        assert "expected" in refusal({"image": "i"}, {"i": text}, VideoFrame)
    assert refusal({"image": "i"}, {"i": ""}, VideoFrame) == "i: has 0 bytes, expected at least 1"


def test_pictures_in_files(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "a b.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    fields = {"image": {"path": "p", "format": "file", "folder": str(folder), "max_bytes": 100}}
    url = (folder / "a b.png").as_uri()
    for path in ("a b.png", "./a b.png", str(folder / "a b.png"), url):
        assert mapped(fields, {"p": path}, VideoFrame).image == PNG
    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "/etc/passwd"):
        assert "is outside of the allowed folder" in refusal(fields, {"p": path}, VideoFrame)
    assert "is no file" in refusal(fields, {"p": "none.png"}, VideoFrame)
    assert "is no file" in refusal(fields, {"p": "."}, VideoFrame)
    assert "expected a path or a file: URL" in refusal(fields, {"p": "http://a/b.png"}, VideoFrame)
    assert "expected the path of a file" in refusal(fields, {"p": "a\0b"}, VideoFrame)
    (folder / "big.png").write_bytes(b"x" * 101)
    assert "more than 100 bytes" in refusal(fields, {"p": "big.png"}, VideoFrame)


def test_json_text_and_python_agree() -> None:
    assert mapped(FIELDS, json.loads(json.dumps(VALUE))) == mapped(FIELDS, VALUE)


METRICS = {"from": "metrics", "name": "name", "value": "value.asDouble"}


def metric(name: Any, value: Any) -> dict[str, Any]:
    return {"name": name, "value": {"asDouble": value}}


def test_channels_of_a_list_whose_entries_have_names() -> None:
    value = {
        "metrics": [metric("cpu", 0.5), metric("up", True), metric("mem", None), {"name": "x"}]
    }
    assert mapped({"values": METRICS}, value).values == {"cpu": 0.5, "up": 1.0}
    renamed = {**METRICS, "include": ["c*"], "rename": {"cpu": "load"}}
    assert mapped({"values": renamed}, value).values == {"load": 0.5}
    senml = [{"bn": "urn:dev:1", "n": "temp", "v": 20.5}, {"n": "hum", "v": 40}]
    paths = {"from": "$value", "name": "n", "value": "v"}
    event = mapped({"source_id": "$value[0].bn", "values": paths}, senml)
    assert (event.source_id, event.values) == ("urn:dev:1", {"temp": 20.5, "hum": 40.0})


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ([metric("cpu", 1), metric("cpu", 2)], "metrics: two entries have the name 'cpu'"),
        ([metric("cpu", 1), metric(5, 2)], r"metrics\[1\]: name: expected a channel's name, found"),
        ([metric("cpu", "1")], "metrics.cpu: expected a number, found the text '1'"),
        ([metric("cpu", None)], "metrics: no channel has a value"),
        ({"cpu": 1}, "metrics: expected a list of entries, found an object with cpu"),
        ([7], r"metrics\[0\]: name: the value is the number 7, expected an object"),
        (None, "metrics: expected a list of entries, found null or absent"),
    ],
)
def test_a_list_that_names_no_channels(metrics: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        mapped({"values": METRICS}, {"metrics": metrics})
