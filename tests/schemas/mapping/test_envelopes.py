from __future__ import annotations

import base64
from typing import Any

import pytest

from schemas import DecodeError, InputError
from schemas.mapping.envelopes import Opened, is_structured, open_cloudevent, open_connect

EVENT = {
    "specversion": "1.0", "id": "e1", "source": "/plant", "type": "reading",
    "time": "2026-11-28T05:26:18.454+01:00", "data": {"values": {"a": 1}},
}  # fmt: skip


def test_a_structured_cloudevent() -> None:
    assert open_cloudevent(EVENT) == Opened(EVENT["data"], EVENT, "e1", "/plant", 1_795_839_978_454)


def test_data_in_base64() -> None:
    encoded = base64.b64encode(b'{"a": 1}').decode()
    event = {k: v for k, v in EVENT.items() if k not in ("data", "time")}
    opened = open_cloudevent({**event, "data_base64": encoded})
    assert (opened.value, opened.event_time_ms) == ({"a": 1}, 0)


def test_data_in_base64_of_another_format_is_bytes() -> None:
    event = {**EVENT, "data": None, "data_base64": base64.b64encode(b"\xff\xd8\xff").decode()}
    assert open_cloudevent({**event, "datacontenttype": "image/jpeg"}).value == b"\xff\xd8\xff"
    for json_type in ("application/json; charset=utf-8", "Text/JSON", "application/ld+json"):
        with pytest.raises(DecodeError, match="JPEG"):
            open_cloudevent({**event, "datacontenttype": json_type})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"specversion": None}, "expected a structured CloudEvent"),
        ({"specversion": "2.0"}, "expected 1.0, found the text '2.0'"),
        ({"id": ""}, "CloudEvent id: expected a text"),
        ({"source": 5}, "CloudEvent source: expected a text, found the number 5"),
        ({"time": "noon"}, "CloudEvent time: 'noon' is no RFC 3339 time"),
        ({"time": 5}, "CloudEvent time: expected a text"),
        ({"data_base64": "eyJ9"}, "expected data or data_base64, found both"),
        ({"data": None, "data_base64": "x"}, "data_base64: not base64: the text 'x'"),
        ({"data": None, "data_base64": 5}, "data_base64: not base64: the number 5"),
        ({"data": None, "data_base64": "PGEvPg=="}, "not JSON: the value looks like XML"),
        ({"data": None, "data_base64": "AQI="}, r"not JSON: set datacontenttype .null or absent"),
    ],
)
def test_a_broken_cloudevent_is_refused(change: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_cloudevent({**EVENT, **change})


def test_connect() -> None:
    value = {"schema": None, "payload": {"a": 1}}
    assert open_connect(value) == Opened({"a": 1}, value)
    assert open_connect({"schema": {}, "payload": None}).value is None
    for bad in ({"payload": 1}, [1], "text", None, {}):
        with pytest.raises(InputError, match="Kafka Connect"):
            open_connect(bad)


@pytest.mark.parametrize(
    ("headers", "structured"),
    [
        ([], False),
        ([("content-type", b"application/json")], False),
        ([("content-type", b"application/cloudevents+json")], True),
        ([("Content-Type", b"application/cloudevents+json; charset=UTF-8")], True),
        ([("ce_type", b"application/cloudevents+json")], False),
    ],
)
def test_the_content_type_says_whether_it_is_structured(headers: Any, structured: bool) -> None:
    assert is_structured(headers) is structured


@pytest.mark.parametrize("form", [b"-batch+json", b"+avro"])
def test_other_forms_are_refused_by_name(form: bytes) -> None:
    with pytest.raises(DecodeError, match="expected application/cloudevents"):
        is_structured([("content-type", b"application/cloudevents" + form)])
