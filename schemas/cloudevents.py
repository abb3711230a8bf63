"""CloudEvents 1.0 in Kafka's binary mode: a record's envelope in its headers.

The value is the plain event or result. Sender, type, time and id are `ce_*` headers beside
`content-type`. Source: CloudEvents specification 1.0.2 and its
Kafka protocol binding, section 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from schemas.errors import SchemaError

SPEC_VERSION = "1.0"
CONTENT_TYPE = "content-type"

#: 9999-12-31T23:59:59.999Z, the last moment that RFC 3339's four-digit year can name.
MAX_RFC3339_MS = 253_402_300_799_999

#: What may stand in a URI reference as it is (RFC 3986, 2.2 and 2.3), and "%" of an escape.
_URI_SAFE = "!#$%&'()*+,/:;=?@[]~-._"
#: The last part of a time: looked up, since each result has one.
_MILLISECONDS = [b".%03dZ" % ms for ms in range(1000)]
_EXAMPLE = "2023-11-14T22:13:20.250Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Attributes(NamedTuple):
    """The values of an input record's `ce_*` headers; "" and 0 where a header is absent."""

    event_id: str
    source_id: str
    event_time_ms: int
    """Milliseconds since 1970-01-01T00:00:00Z; finer digits are cut off."""


def type_name(cls: type[Any]) -> str:
    """Return the `ce_type` of an event or result type: `penstock.sensor_reading.v1`.

    The version is the default of the type's `schema_version`, 1 where it has none.
    """
    if cls not in _type_names:
        fields = msgspec.structs.fields(cls) if issubclass(cls, msgspec.Struct) else ()
        version = next((f.default for f in fields if f.name == "schema_version"), 1)
        _type_names[cls] = f"penstock.{_WORD_START.sub('_', cls.__name__).lower()}.v{version}"
    return _type_names[cls]


#: A cache: results ask once a record, and msgspec takes microseconds to list a type's fields.
_type_names: dict[type[Any], str] = {}


def event_headers(
    *, event_id: str, type_name: str, source: str, time_ms: int, content_type: str
) -> list[tuple[str, bytes]]:
    """Return the headers of one record, in a fixed order.

    Args:
        event_id: unique within `source`; not empty.
        type_name: as the function `type_name` returns it.
        source: the sender; not empty. Characters that a URI reference can't hold are
            percent-encoded.
        time_ms: event time, milliseconds since 1970; 0 (not given), or a time that RFC 3339
            can't write, leaves `ce_time` out.
        content_type: the value's media type, such as `application/json`.
    """
    constant = constant_headers(type_name, source, content_type)
    headers = [*constant, ("ce_id", event_id.encode())]
    if at := rfc3339(time_ms):
        headers.append(("ce_time", at))
    return headers


@lru_cache(maxsize=4096)
def constant_headers(
    type_name: str, source: str, content_type: str
) -> tuple[tuple[str, bytes], ...]:
    """Return the headers that all records of one sender and type share; see `event_headers`."""
    return (
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", type_name.encode()),
        ("ce_source", quote(source, safe=_URI_SAFE).encode()),
        (CONTENT_TYPE, content_type.encode()),
    )


def rfc3339(time_ms: int) -> bytes:
    """Format a time as RFC 3339 with milliseconds, in UTC: `2023-11-14T22:13:20.250Z`.

    Args:
        time_ms: milliseconds since 1970.

    Returns:
        24 characters of ASCII; b"" for 0 (not given), and beyond `MAX_RFC3339_MS`.
    """
    return rfc3339_column([time_ms])[0]


def rfc3339_column(times_ms: Sequence[int]) -> list[bytes]:
    """Format n times as `rfc3339` does."""
    return [
        _format_second(ms // 1000) + _MILLISECONDS[ms % 1000] if 0 < ms <= MAX_RFC3339_MS else b""
        for ms in times_ms
    ]


@lru_cache(maxsize=4096)
def _format_second(seconds: int) -> bytes:
    # Records next to each other share their second: the calendar is worked out once for them.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def parse_time(text: str) -> int:
    """Return an RFC 3339 time as milliseconds since 1970; finer digits are cut off.

    Raises:
        SchemaError: not such a time, without an offset from UTC, or before 1970.
    """
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows t and z
    except ValueError as error:
        raise SchemaError(f"{text[:40]!r} is no RFC 3339 time such as {_EXAMPLE}") from error
    if moment.tzinfo is None:
        raise SchemaError(f"{text[:40]!r} has no offset from UTC: expected e.g. {_EXAMPLE}")
    elapsed = moment - _EPOCH
    if elapsed.days < 0:
        raise SchemaError(f"{text[:40]!r} is before 1970: expected a later time")
    return elapsed.days * 86_400_000 + elapsed.seconds * 1000 + elapsed.microseconds // 1000


def read_attributes(headers: Mapping[str, bytes]) -> Attributes:
    """Read an input record's `ce_id`, `ce_source` and `ce_time`; each may be absent.

    Raises:
        SchemaError: a header is not UTF-8, or `ce_time` is not an RFC 3339 time.
    """
    time = _text(headers, "ce_time")
    try:
        time_ms = parse_time(time) if time else 0
    except SchemaError as error:
        raise SchemaError(f"header ce_time: {error}") from error
    return Attributes(_text(headers, "ce_id"), _text(headers, "ce_source"), time_ms)


def _text(headers: Mapping[str, bytes], name: str) -> str:
    raw = headers.get(name)
    if raw is None:
        return ""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise SchemaError(f"header {name} is not UTF-8: {raw[:8].hex(' ')} ...") from error
