"""The bench's readings as a schema registry's producers write them: Avro and Protobuf, framed."""

from __future__ import annotations

import json
from functools import cache
from io import BytesIO
from typing import Any

import fastavro
from google.protobuf import descriptor_pool, message_factory

from schemas.registry.protoc import FILE, compile_descriptors
from schemas.registry.registered import RegisteredSchema

SCHEMA_ID = 1
_FRAME = b"\0" + SCHEMA_ID.to_bytes(4, "big")

_AVRO = {
    "type": "record", "name": "Reading", "fields": [
        {"name": "id", "type": "string"},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "data", "type": {"type": "record", "name": "Data", "fields": [
            {"name": "bar", "type": "double"},
            {"name": "flow", "type": ["null", "double"]},
            {"name": "temp", "type": "float"}]}},
    ],
}  # fmt: skip
_PROTOBUF = """syntax = "proto3";
message Reading { string id = 1; int64 ts = 2; Data data = 3; }
message Data { double bar = 1; optional double flow = 2; float temp = 3; }
"""
SCHEMAS = {
    "avro": RegisteredSchema("AVRO", json.dumps(_AVRO)),
    "protobuf": RegisteredSchema("PROTOBUF", _PROTOBUF),
}


def framed(codec: str, reading: dict[str, Any]) -> bytes:
    """Return a reading in a codec's frame and format."""
    if codec == "avro":
        stream = BytesIO()
        fastavro.schemaless_writer(stream, _parsed(), reading)
        return _FRAME + stream.getvalue()
    return _FRAME + b"\0" + bytes(_message_class()(**reading).SerializeToString())


@cache
def _parsed() -> Any:
    return fastavro.parse_schema(_AVRO)


@cache
def _message_class() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in compile_descriptors(SCHEMAS["protobuf"]).file:
        pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindFileByName(FILE).message_types_by_name["Reading"]
    )
