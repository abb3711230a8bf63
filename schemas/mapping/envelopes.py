"""Opens the envelopes that producers put around a value: CloudEvents (structured) and Connect.

A structured CloudEvent is one JSON object with the sender, time and id beside `data`. Kafka
Connect's JsonConverter (and Debezium) writes `{"schema": ..., "payload": ...}`.
Sources: CloudEvents specification 1.0.2, JSON format; Apache Kafka, JsonConverter.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from schemas.cloudevents import CONTENT_TYPE, parse_time
from schemas.errors import DecodeError, SchemaError
from schemas.mapping.describe import found
from schemas.mapping.frames import describe_frame

EnvelopeName: TypeAlias = Literal["none", "cloudevents", "connect"]
STRUCTURED = b"application/cloudevents+json"
_ANY_FORM = b"application/cloudevents"
#: Absent means JSON (CloudEvents 1.0.2, JSON format, section 3.1).
_JSON_TYPE = re.compile(r"\s*[\w.-]+/([\w.-]+\+)?json\s*(;|$)", re.IGNORECASE)
_BATCHED = b"application/cloudevents-batch"


class Opened(NamedTuple):
    """What an envelope held."""

    value: Any
    """The value within; None: it holds none, which is a tombstone."""
    envelope: Any = None
    """The envelope as an object, for paths such as `$envelope.type`."""
    event_id: str = ""
    source_id: str = ""
    event_time_ms: int = 0


def is_structured(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Return whether the headers say that the value is a structured CloudEvent.

    Raises:
        DecodeError: they say that it is a batch of CloudEvents, or in another format than JSON.
    """
    for name, value in headers:
        if name.lower() == CONTENT_TYPE and value and value.startswith(_ANY_FORM):
            kind = value.partition(b";")[0].strip().lower()
            if kind == STRUCTURED:
                return True
            what = "a batch of CloudEvents" if kind.startswith(_BATCHED) else "a CloudEvent"
            raise DecodeError(
                f"content-type {kind.decode('latin-1')}: the value is {what} in a form that is not "
                f"read: expected {STRUCTURED.decode()}"
            )
    return False


def open_envelope(name: EnvelopeName, value: Any) -> Opened:
    """Open the envelope that an agent declares.

    Raises:
        SchemaError: the value is not in such an envelope; the message says what was expected.
    """
    if name == "cloudevents":
        return open_cloudevent(value)
    if name == "connect":
        return open_connect(value)
    return Opened(value)


def open_cloudevent(value: Any) -> Opened:
    """Open a structured CloudEvent.

    Raises:
        SchemaError: a required attribute is absent, or `time` is no time.
        DecodeError: `data_base64` is not base64, or not JSON where it should be.
    """
    if not isinstance(value, dict) or not isinstance(value.get("specversion"), str):
        raise SchemaError(
            "expected a structured CloudEvent (an object with specversion, id, source, type and "
            f"data), found {found(value)}"
        )
    for name in ("id", "source", "type"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise SchemaError(f"CloudEvent {name}: expected a text, found {found(value.get(name))}")
    if not value["specversion"].startswith("1."):
        raise SchemaError(
            f"CloudEvent specversion: expected 1.0, found {found(value['specversion'])}"
        )
    return Opened(_data(value), value, value["id"][:4096], value["source"][:4096], _time(value))


def _time(value: dict[str, Any]) -> int:
    time = value.get("time")
    if time is None:
        return 0
    if not isinstance(time, str):
        raise SchemaError(f"CloudEvent time: expected a text, found {found(time)}")
    try:
        return parse_time(time)
    except SchemaError as error:
        raise SchemaError(f"CloudEvent time: {error}") from None


def _data(value: dict[str, Any]) -> Any:
    """Return the data: of `data_base64` what JSON in it says, or the bytes of another format."""
    encoded = value.get("data_base64")
    if encoded is None:
        return value.get("data")
    if value.get("data") is not None:
        raise SchemaError("CloudEvent: expected data or data_base64, found both")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise DecodeError(f"CloudEvent data_base64: not base64: {found(encoded)}") from None
    kind = value.get("datacontenttype")
    if isinstance(kind, str) and not _JSON_TYPE.match(kind):
        return content
    try:
        return msgspec.json.decode(content)
    except (ValueError, msgspec.DecodeError, RecursionError):
        frame = describe_frame(content, "json") or f"set datacontenttype ({found(kind)})"
        raise DecodeError(f"CloudEvent data_base64: not JSON: {frame}") from None


def open_connect(value: Any) -> Opened:
    """Open what Kafka Connect's JsonConverter writes.

    Raises:
        SchemaError: the value has no `payload` beside `schema`.
    """
    if not isinstance(value, dict) or "payload" not in value or "schema" not in value:
        raise SchemaError(
            'expected Kafka Connect\'s {"schema": ..., "payload": ...}, found ' + found(value)
        )
    return Opened(value["payload"], value)
