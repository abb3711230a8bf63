from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DecodeError, InputError, TooLargeError, UnknownSchemaError
from schemas.registry.avro import AvroValues
from schemas.registry.registered import RegisteredSchema

NOW = datetime(2026, 11, 28, 4, 26, 18, 454000, tzinfo=UTC)
EVERYTHING = {
    "type": "record", "name": "All", "namespace": "plant", "fields": [
        {"name": "text", "type": "string"},
        {"name": "absent", "type": ["null", "double"]},
        {"name": "present", "type": ["null", "double"]},
        {"name": "millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal",
                                   "precision": 9, "scale": 2}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["ON", "OFF"]}},
        {"name": "other_state", "type": "State"},
        {"name": "values", "type": {"type": "map", "values": "float"}},
        {"name": "list", "type": {"type": "array", "items": {
            "type": "record", "name": "Item", "fields": [{"name": "n", "type": "long"}]}}},
        {"name": "either", "type": ["string", "Item"]},
        {"name": "raw", "type": "bytes"},
        {"name": "fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
    ],
}  # fmt: skip
RECORD = {
    "text": "p7", "absent": None, "present": 2.5, "millis": NOW, "micros": NOW,
    "day": date(2026, 11, 28), "price": Decimal("59.90"),
    "id": UUID("89791762-2336-4186-9674-299b90a802e2"), "state": "ON", "other_state": "OFF",
    "values": {"bar": 1.5}, "list": [{"n": 1}, {"n": 2**40}], "either": {"n": 3}, "raw": b"\0\1",
    "fixed": b"abcd",
}  # fmt: skip
PREFIX = b"\0\0\0\0\7"


def values_of(schema: Any, *references: tuple[str, Any]) -> AvroValues:
    codec = AvroValues()
    texts = tuple((name, json.dumps(text)) for name, text in references)
    codec.learn(7, RegisteredSchema("AVRO", json.dumps(schema), texts))
    return codec


def written(schema: Any, record: Any) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), record)
    return PREFIX + stream.getvalue()


def test_every_type() -> None:
    value = written(EVERYTHING, RECORD)
    codec = values_of(EVERYTHING)
    assert codec.read(value, ()) == RECORD
    assert codec.read_all([value, value], [(), ()]) == [RECORD, RECORD]


def test_a_topic_whose_schema_changed_is_read_with_the_schema_of_each_record() -> None:
    fields = [{"name": "bar", "type": "int"}]
    codec = values_of({"type": "record", "name": "R", "fields": fields})
    newer = {"type": "record", "name": "R", "fields": [*fields, {"name": "flow", "type": "int"}]}
    codec.learn(8, RegisteredSchema("AVRO", json.dumps(newer)))
    values = [PREFIX + b"\2", b"\0\0\0\0\x08\2\4"]
    assert codec.read_all(values, [(), ()]) == [{"bar": 1}, {"bar": 1, "flow": 2}]


def test_the_header_form() -> None:
    value = written(EVERYTHING, RECORD)[5:]
    headers = [("__value_schema_id", PREFIX)]
    codec = values_of(EVERYTHING)
    assert codec.read(value, headers) == RECORD
    assert codec.read_all([value], [headers]) == [RECORD]


def test_schemas_that_refer_to_others() -> None:
    place = {"type": "record", "name": "Place", "namespace": "plant",
             "fields": [{"name": "hall", "type": "int"}]}  # fmt: skip
    reading = {"type": "record", "name": "R", "fields": [{"name": "at", "type": "plant.Place"}]}
    assert values_of(reading, ("plant.Place", place)).read(PREFIX + b"\4", ()) == {
        "at": {"hall": 2}
    }
    assert values_of(["null", "plant.Place"], ("plant.Place", place)).read(
        PREFIX + b"\2\4", ()
    ) == {"hall": 2}


def test_missing_schemas_are_named_until_they_are_learned() -> None:
    codec = AvroValues()
    values = [written(EVERYTHING, RECORD), None, b"{}", b"\0\0\0\0\x08x"]
    headers: list[Any] = [(), (), (), ()]
    assert codec.missing(values, headers) == {7, 8}
    codec.learn(7, RegisteredSchema("AVRO", json.dumps(EVERYTHING)))
    codec.learn(8, None)
    assert codec.missing(values, headers) == set()
    with pytest.raises(UnknownSchemaError, match="no schema with id 8"):
        codec.read(b"\0\0\0\0\x08x", ())
    codec.forget_unknown()
    assert codec.missing(values, headers) == {8}


@pytest.mark.parametrize(
    ("cut", "words"),
    [(-2, "ends too early: expected the fields text, absent"), (5, "ends too early")],
)
def test_bytes_that_end_too_early(cut: int, words: str) -> None:
    value = written(EVERYTHING, RECORD)
    with pytest.raises(DecodeError, match=words):
        values_of(EVERYTHING).read(value[:cut], ())


def test_bytes_that_are_left() -> None:
    with pytest.raises(DecodeError, match="1 bytes follow the record"):
        values_of("string").read(PREFIX + b"\2ab", ())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    codec = values_of(EVERYTHING)
    try:
        codec.read(PREFIX + payload, ())
    except InputError:
        return


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": "null"}, "could be endless"),
        ({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}, "endless"),
        ("nonsense", "not an Avro schema"),
        ({"type": "record"}, "not an Avro schema"),
        (17, "not an Avro schema"),
    ],
)
def test_schemas_that_are_refused(schema: Any, words: str) -> None:
    with pytest.raises(DecodeError, match=f"schema id 7 can't be used: .*{words}"):
        values_of(schema).read(PREFIX + b"\0", ())


def nested(levels: int) -> Any:
    schema: Any = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize("levels", [200, 100_000])
def test_a_schema_that_is_nested_too_deep(levels: int) -> None:
    codec = AvroValues()
    text = '{"type": "array", "items": ' * levels + '"int"' + "}" * levels
    codec.learn(7, RegisteredSchema("AVRO", text))
    with pytest.raises(DecodeError, match="nested deeper than 64"):
        codec.read(PREFIX + b"\0", ())


def test_a_schema_whose_records_double_at_each_level() -> None:
    schema: Any = {"type": "record", "name": "R0", "fields": [{"name": "a", "type": "null"}]}
    for level in range(1, 40):
        below = f"R{level - 1}"
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": below}]
        schema = {"type": "record", "name": f"R{level}", "fields": fields}
    with pytest.raises(DecodeError, match="more than 10,000 fields"):
        values_of(schema).read(PREFIX, ())


def test_a_deep_value_of_a_recursive_schema_is_refused_and_not_a_crash() -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "next", "type": ["null", "Node"]}],
    }
    codec = values_of(node)
    assert codec.read(PREFIX + b"\2\0", ()) == {"next": {"next": None}}
    with pytest.raises(TooLargeError, match="nested too deep"):
        codec.read(PREFIX + b"\2" * 500_000 + b"\0", ())


def test_a_schema_of_another_kind_names_its_codec() -> None:
    codec = AvroValues()
    codec.learn(7, RegisteredSchema("PROTOBUF", 'syntax = "proto3";'))
    with pytest.raises(DecodeError, match="it is PROTOBUF, not AVRO: use codec protobuf"):
        codec.read(PREFIX + b"x", ())
