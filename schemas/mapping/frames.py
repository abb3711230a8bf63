"""Names what surrounds a value that can't be read: registry framing, compression, envelopes.

A whole topic in a frame gives the same error for every record. "Invalid character (byte 0)" does
not say what to do; the frame's name does.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

#: First bytes -> what starts so.
_STARTS = {
    b"\x1f\x8b": "gzip data: the producer compressed the value itself, rather than by "
    "compression.type",
    b"\x28\xb5\x2f\xfd": "Zstandard data: the producer compressed the value itself, rather than by "
    "compression.type",
    b"\x04\x22\x4d\x18": "LZ4 data: the producer compressed the value itself, rather than by "
    "compression.type",
    b"\x82SNAPPY\x00": "Snappy data: the producer compressed the value itself, rather than by "
    "compression.type",
    b"BZh": "bzip2 data",
    b"PK\x03\x04": "a ZIP file",
    b"Obj\x01": "an Avro file (object container): send one record a message",
    b"PAR1": "a Parquet file",
    b"\xac\xed\x00\x05": "a serialized Java object, which is never read: send JSON",
    b"\x80\x04\x95": "a Python pickle, which is never read: send JSON",
    b"\x80\x05\x95": "a Python pickle, which is never read: send JSON",
    b"\x78\x9c": "zlib data: the producer compressed the value itself, rather than by "
    "compression.type",
    b"\xff\xfe\0\0": "UTF-32 text (its byte order mark): send UTF-8",
    b"\0\0\xfe\xff": "UTF-32 text (its byte order mark): send UTF-8",
    b"\xff\xfe": "UTF-16 text (its byte order mark): send UTF-8",
    b"\xfe\xff": "UTF-16 text (its byte order mark): send UTF-8",
    b"\xff\xd8\xff": "a JPEG picture: `codec: image` reads it",
    b"\x89PNG": "a PNG picture: `codec: image` reads it",
}
#: What JSON in two bytes a character starts like: without a byte order mark, the high bytes are 0.
_UTF_16 = re.compile(rb"\0[\x20-\x7e]\0[\x20-\x7e]|[\x20-\x7e]\0[\x20-\x7e]\0")
#: As the id of a schema, its first bytes would be over a billion.
_NUL_BEFORE = re.compile(rb"\0+[{\[]\s*[\"{\[\]}\d]")
_SEVERAL = re.compile(rb"[}\]]\s*[{\[]")
_NOT_A_NUMBER = re.compile(rb"[:,\[]\s*-?(NaN|Infinity)\b")
_CONFLUENT_HEADER_BYTES = 5
_GLUE_HEADER_BYTES = 18
_BOM = b"\xef\xbb\xbf"


def describe_frame(value: bytes, codec: str) -> str:
    """Return a sentence part that names a value's frame, or "" if none is recognized.

    Args:
        value: the record's bytes, which the codec could not read.
        codec: the codec's name.
    """
    for start, what in _STARTS.items():
        if value.startswith(start):
            return f"the value starts like {what}"
    if codec == "json" and _UTF_16.match(value):
        return "the value looks like UTF-16 text: send UTF-8"
    if codec == "json" and _NUL_BEFORE.match(value):
        return "a NUL byte comes before the JSON: send the text without it"
    if value[:1] == b"\0" and len(value) > _CONFLUENT_HEADER_BYTES:
        schema_id = int.from_bytes(value[1:5], "big")
        return (
            f"the value is framed by a schema registry (magic byte 0, schema id {schema_id}): "
            "use codec avro, protobuf or json_schema"
        )
    if value[:2] in (b"\x03\x00", b"\x03\x05") and len(value) > _GLUE_HEADER_BYTES:
        return "the value is framed by AWS Glue's schema registry (header version 3)"
    if codec == "json":
        return _describe_not_json(value)
    first = value.removeprefix(_BOM).lstrip()[:1]
    return "the value looks like JSON: use codec json" if first in (b"{", b"[") else ""


def _describe_not_json(value: bytes) -> str:
    text = value.rstrip(b"\0")
    if len(text) < len(value) and text.rstrip()[-1:] in (b"}", b"]", b'"'):
        return f"a NUL byte follows the JSON (byte {len(text)}): send the text without it"
    if (value[:1] and 0x80 <= value[0] <= 0x8F) or value[:1] in (b"\xde", b"\xdf"):
        return "the value looks like MessagePack: use codec msgpack"
    if match := _NOT_A_NUMBER.search(value):
        return f"the value holds {match[1].decode()}, which JSON can't: send null or leave it out"
    if value.lstrip()[:1] == b"<":
        return "the value looks like XML or HTML: send JSON"
    if _holds_several(value):
        return "the value holds several JSON values one after the other: send one a record"
    return ""


def _holds_several(value: bytes) -> bool:
    """Return whether a value is a whole object or list with another one right behind it."""
    match = _SEVERAL.search(value)
    if match is None:
        return False
    try:
        msgspec.json.decode(value[: match.start() + 1], type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def describe_envelope(value: Any) -> str:
    """Return a sentence part that names the envelope of a decoded value, or ""."""
    if not isinstance(value, dict):
        return ""
    if isinstance(value.get("specversion"), str) and "source" in value and "type" in value:
        return "the value is a structured CloudEvent: set `envelope: cloudevents`"
    if "payload" in value and "schema" in value:
        return "the value is in Kafka Connect's envelope: set `envelope: connect`"
    return ""
