from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.errors import DecodeError, SchemaError
from schemas.registry.json_schema import JsonSchemaValues
from schemas.registry.registered import RegisteredSchema

SCHEMA = {"type": "object", "required": ["bar"], "properties": {"bar": {"type": "number"}}}
PREFIX = b"\0\0\0\0\7"


def values_of(schema: Any, is_checking: bool, *references: tuple[str, Any]) -> JsonSchemaValues:
    codec = JsonSchemaValues(is_checking)
    texts = tuple((name, json.dumps(text)) for name, text in references)
    codec.learn(7, RegisteredSchema("JSON", json.dumps(schema), texts))
    return codec


def test_json_is_read_and_not_checked_by_default() -> None:
    assert values_of(SCHEMA, False).read(PREFIX + b'{"bar": "x"}', ()) == {"bar": "x"}


def test_bytes_that_are_not_json() -> None:
    with pytest.raises(DecodeError, match="not JSON"):
        values_of(SCHEMA, False).read(PREFIX + b"{", ())


def test_values_are_checked_where_asked_for() -> None:
    codec = values_of(SCHEMA, True)
    assert codec.read(PREFIX + b'{"bar": 1}', ()) == {"bar": 1}
    with pytest.raises(SchemaError, match=r"\$\.bar: 'x' is not of type 'number' \(schema id 7\)"):
        codec.read(PREFIX + b'{"bar": "x"}', ())


def test_references_are_looked_up_among_the_registered_ones_only() -> None:
    schema = {"properties": {"bar": {"$ref": "bar.json"}}}
    codec = values_of(schema, True, ("bar.json", {"type": "number"}))
    with pytest.raises(SchemaError, match="not of type"):
        codec.read(PREFIX + b'{"bar": "x"}', ())
    # Port 9 is the discard port: a request to it would fail in another way.
    remote = values_of({"properties": {"bar": {"$ref": "http://127.0.0.1:9/x"}}}, True)
    with pytest.raises(DecodeError, match="no address is ever requested"):
        remote.read(PREFIX + b'{"bar": "x"}', ())


def test_a_schema_that_is_none() -> None:
    codec = values_of({"type": 17}, True)
    with pytest.raises(DecodeError, match="not a JSON Schema"):
        codec.read(PREFIX + b"{}", ())
