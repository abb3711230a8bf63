"""What surrounds a value is named in the refusal, for codecs and mapped values alike."""

from __future__ import annotations

import gzip
import json
import zlib

import msgspec
import pytest

from schemas import DecodeError, InputError, SensorReading, make_codec
from schemas.mapping.frames import describe_envelope, describe_frame
from schemas.values import VALUE_CODECS

JSON = b'{"values": {"bar": 2.5}}'
PACKED = msgspec.msgpack.encode({"values": {"bar": 2.5}})


@pytest.mark.parametrize(
    ("codec", "value", "words"),
    [
        ("json", b"\0\0\0\0\x07" + JSON, "schema registry .magic byte 0, schema id 7.*codec avro"),
        ("msgpack", b"\0\0\0\0\x07" + PACKED, "trailing|schema registry"),
        ("json", b"\x03\x00" + b"x" * 16 + JSON, "AWS Glue"),
        ("json", gzip.compress(JSON, mtime=0), "gzip data"),
        ("json", b"\x28\xb5\x2f\xfd" + JSON, "Zstandard"),
        ("json", b"\x04\x22\x4d\x18" + JSON, "LZ4"),
        ("json", b"\x82SNAPPY\0" + JSON, "Snappy"),
        ("json", b"Obj\x01" + JSON, "Avro file"),
        ("json", b"\xac\xed\x00\x05sr", "Java object"),
        ("json", JSON.decode().encode("utf-16"), "UTF-16"),
        ("json", JSON.decode().encode("utf-16-le"), "UTF-16"),
        ("json", PACKED, "looks like MessagePack: use codec msgpack"),
        ("json", b"\0" + JSON, "a NUL byte comes before the JSON"),
        ("json", JSON + b"\0", "a NUL byte follows the JSON .byte 24"),
        ("json", JSON + b"\n" + JSON, "several JSON values"),
        ("json", JSON + JSON, "several JSON values"),
        ("json", JSON.decode().encode("utf-16-be"), "looks like UTF-16"),
        ("json", JSON.decode().encode("utf-32"), "UTF-32"),
        ("json", zlib.compress(JSON), "zlib data"),
        ("json", b" <reading/>", "XML or HTML"),
        ("json", b'{"values": {"bar": NaN}}', "holds NaN, which JSON can't"),
        ("json", b"\xff\xd8\xff\xe0", "JPEG picture: `codec: image`"),
        ("msgpack", b'[{"values"', "looks like JSON: use codec json|schema_error|trailing"),
    ],
)
def test_a_frame_is_named(codec: str, value: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_codec(codec, SensorReading).decode(value, {})
    if codec == "json":
        with pytest.raises(DecodeError, match=words):
            VALUE_CODECS[codec]().read(value, ())


def test_plain_nonsense_has_no_name() -> None:
    assert describe_frame(b"nonsense", "json") == ""
    assert describe_frame(b"", "json") == ""
    assert describe_envelope([1]) == describe_envelope({"values": {}}) == ""


def test_a_byte_order_mark_is_skipped() -> None:
    marked = b"\xef\xbb\xbf" + JSON
    codec = make_codec("json", SensorReading)
    assert codec.decode(marked, {}) == codec.decode(JSON, {})
    assert codec.decode_all([marked, marked]) == codec.decode_all([JSON, JSON])
    values = VALUE_CODECS["json"]()
    assert values.read(marked, ()) == json.loads(JSON)
    assert values.read_all([marked, marked], [(), ()]) == [json.loads(JSON)] * 2


def test_envelopes_are_named_where_none_is_declared() -> None:
    codec = make_codec("json", SensorReading)
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"values": {}}}
    with pytest.raises(InputError, match="set `envelope: cloudevents`"):
        codec.decode(json.dumps(event).encode(), {})
    with pytest.raises(InputError, match="set `envelope: connect`"):
        codec.decode(b'{"schema": {}, "payload": {"values": {"a": 1}}}', {})
