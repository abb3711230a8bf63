from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory

from schemas.errors import DecodeError
from schemas.registry.framing import write_indexes
from schemas.registry.protobuf import ProtobufValues
from schemas.registry.protoc import FILE, compile_descriptors
from schemas.registry.registered import RegisteredSchema

TEXT = """syntax = "proto3";
package plant;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
import "parts/place.proto";
message Reading {
  int64 id = 1;
  google.protobuf.Timestamp at = 2;
  optional double maybe = 3;
  repeated float list = 4;
  map<int32, double> values = 5;
  enum State { UNKNOWN = 0; ON = 1; }
  State state = 6;
  google.protobuf.Struct rest = 7;
  oneof which { string text = 8; Reading below = 9; }
  parts.Place place = 10;
  google.protobuf.DoubleValue wrapped = 11;
  bytes raw = 12;
  google.protobuf.Duration took = 13;
  message Inner { int32 n = 1; }
  repeated Inner inners = 14;
}
message Other { int32 a = 1; }
"""
PLACE = 'syntax = "proto3"; package parts; message Place { bool inside = 1; }'
SCHEMA = RegisteredSchema("PROTOBUF", TEXT, (("parts/place.proto", PLACE),))
PREFIX = b"\0\0\0\0\7"


@pytest.fixture(scope="module")
def codec() -> ProtobufValues:
    made = ProtobufValues()
    made.learn(7, SCHEMA)
    return made


@pytest.fixture(scope="module")
def file() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for part in compile_descriptors(SCHEMA).file:
        pool.Add(part)
    return pool.FindFileByName(FILE)


def make(file: Any, name: str) -> Any:
    return message_factory.GetMessageClass(file.message_types_by_name[name])


def test_every_type(codec: ProtobufValues, file: Any) -> None:
    message = make(file, "Reading")(id=2**60, list=[1, 2.5], values={3: 1.5}, state=1, raw=b"q")
    message.at.FromMilliseconds(1_795_839_978_454)
    message.rest.update({"a": [1, None, {"b": True}]})
    message.below.id = 4
    message.place.inside = True
    message.wrapped.value = 0
    message.took.FromMilliseconds(1500)
    message.inners.add().n = 5
    value = PREFIX + b"\0" + message.SerializeToString()
    plain = codec.read(value, ())
    below = plain.pop("below")
    assert plain == {
        "id": 2**60, "at": datetime(2026, 11, 28, 4, 26, 18, 454000, tzinfo=UTC), "list": [1, 2.5],
        "values": {"3": 1.5}, "state": "ON", "rest": {"a": [1.0, None, {"b": True}]},
        "place": {"inside": True}, "wrapped": 0.0, "raw": b"q", "took": 1.5, "inners": [{"n": 5}],
    }  # fmt: skip
    assert below == {"id": 4, "list": [], "values": {}, "state": "UNKNOWN", "raw": b"",
                     "inners": []}  # fmt: skip


def test_the_header_form_and_other_messages(codec: ProtobufValues, file: Any) -> None:
    other = make(file, "Other")(a=5).SerializeToString()
    headers = [("__value_schema_id", PREFIX + write_indexes((1,)))]
    assert codec.read(other, headers) == {"a": 5}
    assert codec.read(PREFIX + write_indexes((1,)) + other, ()) == {"a": 5}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\0\xff", r"not Protobuf of schema id 7 \(plant.Reading\)"),
        (write_indexes((5,)), r"no message with the indexes \[5\]: expected one of plant.Reading"),
        (b"", "cut short"),
        (b"\x80", "cut short"),
        (b"\0\x12\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "not Protobuf of schema id 7"),
    ],
)
def test_bytes_that_are_refused(codec: ProtobufValues, payload: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        codec.read(PREFIX + payload, ())


def test_a_deep_value_is_refused(codec: ProtobufValues) -> None:
    payload = b""
    for _ in range(300):
        size = len(payload)
        varint = bytes([size & 0x7F | 0x80, size >> 7]) if size > 127 else bytes([size])
        payload = b"\x4a" + varint + payload
    with pytest.raises(DecodeError):
        codec.read(PREFIX + b"\0" + payload, ())


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (RegisteredSchema("PROTOBUF", "hello"), "not a Protobuf schema"),
        (RegisteredSchema("PROTOBUF", 'syntax = "proto3"; import "gone.proto";'), "gone.proto"),
        (RegisteredSchema("PROTOBUF", 'syntax = "proto3"; import "/etc/passwd";'), "passwd"),
        (
            RegisteredSchema("PROTOBUF", 'syntax = "proto3";', (("../x.proto", PLACE),)),
            "not a file's",
        ),
    ],
)
def test_schemas_that_are_refused(schema: RegisteredSchema, words: str) -> None:
    codec = ProtobufValues()
    codec.learn(7, schema)
    with pytest.raises(DecodeError, match=f"schema id 7 can't be used: .*{words}"):
        codec.read(PREFIX + b"\0", ())
