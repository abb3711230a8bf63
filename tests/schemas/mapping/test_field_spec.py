from __future__ import annotations

from typing import Any

import pytest

from schemas import Event, SensorReading, TextMessage, VideoFrame
from schemas.mapping.field_spec import FieldsError, parse_fields

VALUES = {"values": ["a"]}


@pytest.mark.parametrize(
    ("event_type", "fields", "keys", "words"),
    [
        (SensorReading, {"source": "a", **VALUES}, ("source",), "did you mean 'source_id'"),
        (SensorReading, {"text": "a", **VALUES}, ("text",), "SensorReading has no such field"),
        (SensorReading, {"source_id": "a"}, (), "SensorReading needs values"),
        (SensorReading, {"schema_version": "a", **VALUES}, ("schema_version",), "no such field"),
        (SensorReading, {"source_id": "a..b", **VALUES}, ("source_id",), "expected a name"),
        (SensorReading, {"source_id": 5, **VALUES}, ("source_id",), "expected a path"),
        (SensorReading, {"event_time": "ts", **VALUES}, ("event_time",), "iso8601, unix_s"),
        (
            SensorReading,
            {"event_time": {"path": "ts", "format": "epoch"}, **VALUES},
            ("event_time",),
            "iso8601, unix_s",
        ),
        (
            SensorReading,
            {"event_time": {"path": "ts", "format": "unix_s", "zone": "UTC"}, **VALUES},
            ("event_time", "zone"),
            "only with",
        ),
        (
            SensorReading,
            {"event_time": {"path": "ts", "format": "iso8601", "zone": "Moon"}, **VALUES},
            ("event_time", "zone"),
            "Europe/Berlin",
        ),
        (
            SensorReading,
            {"event_time": {"path": "ts", "fromat": "unix_s"}, **VALUES},
            ("event_time", "fromat"),
            "did you mean 'format'",
        ),
        (
            SensorReading,
            {"source_id": {"path": "a", "optional": "no"}, **VALUES},
            ("source_id", "optional"),
            "expected true or false",
        ),
        (SensorReading, {"values": []}, ("values",), "at least one path"),
        (SensorReading, {"values": 5}, ("values",), "expected {from: path}"),
        (SensorReading, {"values": ["a.t", "b.t"]}, ("values",), "two paths have the name 't'"),
        (SensorReading, {"values": ["a", 5]}, ("values", 1), "expected a path"),
        (SensorReading, {"values": {"x": "a["}}, ("values", "x"), "expected a number"),
        (SensorReading, {"values": {"from": "d", "includ": []}}, ("values", "includ"), "include"),
        (SensorReading, {"values": {"from": "d", "name": "n"}}, ("values", "value"), "a path"),
        (SensorReading, {"values": {"from": "d", "include": "*"}}, ("values", "include"), "a list"),
        (
            SensorReading,
            {"values": {"from": "d", "not_numbers": "drop"}},
            ("values", "not_numbers"),
            "refuse, skip",
        ),
        (SensorReading, {"each": 5, **VALUES}, ("each",), "expected a path"),
        (VideoFrame, {"image": {"path": "p", "format": "file"}}, ("image",), "needs `folder`"),
        (VideoFrame, {"image": {"path": "p", "format": "url"}}, ("image",), "needs `allow`"),
        (
            VideoFrame,
            {"image": {"path": "p", "format": "url", "allow": ["/data"]}},
            ("image", "allow", 0),
            "expected a URL such as s3://",
        ),
        (VideoFrame, {"image": {"path": "p", "allow": ["s3://a/"]}}, ("image",), "needs `allow`"),
        (
            VideoFrame,
            {"image": {"path": "p", "format": "url", "allow": ["s3://a/"], "timeout_seconds": 0}},
            ("image", "timeout_seconds"),
            "expected a number of seconds",
        ),
        (VideoFrame, {"image": {"path": "p", "format": "jpeg"}}, ("image", "format"), "base64"),
        (TextMessage, {"text": {"path": "t", "zone": "UTC"}}, ("text", "zone"), "unknown key"),
    ],
)
def test_a_mistake_names_its_key(
    event_type: type[Event], fields: dict[str, Any], keys: tuple[Any, ...], words: str
) -> None:
    with pytest.raises(FieldsError, match=words) as raised:
        parse_fields(fields, event_type)
    assert raised.value.keys == keys


def test_without_an_event_type_paths_are_checked_all_the_same() -> None:
    assert parse_fields({"liters": "l", "d": {"from": "x"}, "e": ["a"]}, None)
    with pytest.raises(FieldsError) as raised:
        parse_fields({"liters": "l.."}, None)
    assert raised.value.keys == ("liters",)
