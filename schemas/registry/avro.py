"""Avro (1.11) of a schema registry: one record's binary encoding, without a file around it."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
from fastavro._read_py import schemaless_reader as python_reader
from fastavro.schema import SchemaParseException

from schemas.errors import DecodeError, TooLargeError
from schemas.registry.framed import FramedValues, Read
from schemas.registry.framing import SchemaKey
from schemas.registry.registered import MAX_NESTING, RegisteredSchema, UnusableSchemaError

#: Values of one record with nothing repeated: an array or map counts once.
_MAX_FIELDS = 10_000
_WRAPPED = "value"
_MIN_BYTES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8,
              "bytes": 1, "string": 1, "enum": 1}  # fmt: skip


class AvroValues(FramedValues):
    """Avro: each record is read with the schema that it was written with.

    Unions become their value; logical types become aware datetimes, dates, times, Decimals and
    UUIDs; bytes stay bytes.
    """

    name = "avro"
    kind = "AVRO"

    def _compile(self, key: SchemaKey, schema: RegisteredSchema) -> Read:
        parsed = parse_avro(schema)
        shape = _shape_of(parsed)
        # The compiled reader recurses without a limit: a deep value of a recursive schema would end
        # the process. The one in Python raises.
        reader = python_reader if shape.is_recursive else fastavro.schemaless_reader
        what = f"schema id {key} ({_title(parsed)})"

        def read(rest: bytes | None, payload: bytes) -> Any:
            stream = BytesIO(payload)
            try:
                value: Any = reader(stream, parsed, None)
            except RecursionError:
                raise TooLargeError(f"the value is nested too deep ({what})") from None
            except Exception as error:  # of any type, on bytes that are not Avro
                raise DecodeError(_not_avro(what, error, parsed)) from error
            if left := len(payload) - stream.tell():
                raise DecodeError(f"not Avro of {what}: {left} bytes follow the record")
            return value[_WRAPPED]

        return read


def parse_avro(schema: RegisteredSchema) -> Any:
    """Return a schema as fastavro has it, within a record of one field, which has no bytes itself.

    Raises:
        UnusableSchemaError: it is not an Avro schema, or over a limit.
    """
    named: dict[str, Any] = {}
    try:
        for _, text in schema.references:
            fastavro.parse_schema(json.loads(text), named_schemas=named)
        fields = [{"name": _WRAPPED, "type": json.loads(schema.text)}]
        wrapped = {"type": "record", "name": "PenstockWrapped", "fields": fields}
        return fastavro.parse_schema(wrapped, named_schemas=named)
    except RecursionError:
        raise UnusableSchemaError(f"it is nested deeper than {MAX_NESTING}") from None
    except (SchemaParseException, ValueError, KeyError, TypeError) as error:
        raise UnusableSchemaError(f"not an Avro schema: {type(error).__name__}: {error}") from error


def _title(parsed: Any) -> str:
    schema = parsed["fields"][0]["type"]
    if isinstance(schema, dict):
        return str(schema.get("name") or schema["type"])
    return str(schema)[:80]


def _not_avro(what: str, error: Exception, parsed: Any) -> str:
    schema = parsed["fields"][0]["type"]
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    names = ", ".join(field["name"] for field in fields[:10])
    expected = f": expected the fields {names}" if names else ""
    reason = "the value ends too early" if isinstance(error, EOFError | IndexError) else (
        f"{type(error).__name__}: {str(error)[:200]}"
    )  # fmt: skip
    return f"not Avro of {what}: {reason}{expected}"


class _Shape(NamedTuple):
    """What a value of a schema takes."""

    min_bytes: int
    num_fields: int
    is_recursive: bool = False


def _shape_of(parsed: Any) -> _Shape:
    """Return the shape of a schema's values.

    Raises:
        UnusableSchemaError: a few bytes could become a value without end: lists of values that take
            no bytes, or too many fields; or it is nested too deep.
    """
    named = parsed["__named_schemas"]
    known: dict[str, _Shape] = {}
    open_names: set[str] = set()

    def walk(schema: Any, depth: int) -> _Shape:
        if depth > 2 * MAX_NESTING:  # a union and what it holds are one level
            raise UnusableSchemaError(f"it is nested deeper than {MAX_NESTING}")
        if isinstance(schema, list):
            parts = [walk(branch, depth + 1) for branch in schema]
            total = sum(part.num_fields for part in parts)
            return _Shape(1, total, any(part.is_recursive for part in parts))
        if isinstance(schema, str):
            if schema in _MIN_BYTES:
                return _Shape(_MIN_BYTES[schema], 1)
            return by_name(schema, depth)
        kind = schema["type"]
        if kind in ("record", "error"):
            return by_name(schema["name"], depth)
        if kind == "fixed":
            return _Shape(schema["size"], 1)
        if kind in ("array", "map"):
            item = walk(schema["items" if kind == "array" else "values"], depth + 1)
            if kind == "array" and item.min_bytes == 0:
                raise UnusableSchemaError("a list of values without bytes: it could be endless")
            return _Shape(1, 1 + item.num_fields, item.is_recursive)
        if isinstance(kind, str) and kind in _MIN_BYTES:
            return _Shape(_MIN_BYTES[kind], 1)
        return walk(kind, depth + 1)

    def by_name(name: str, depth: int) -> _Shape:
        if name in open_names:
            return _Shape(1, 1, is_recursive=True)
        if name not in known:
            schema = named[name]
            if schema["type"] not in ("record", "error"):
                return walk(schema, depth)
            open_names.add(name)
            parts = [walk(field["type"], depth + 1) for field in schema["fields"]]
            open_names.discard(name)
            total = sum(part.num_fields for part in parts)
            if total > _MAX_FIELDS:
                raise UnusableSchemaError(f"a record has more than {_MAX_FIELDS:,} fields")
            known[name] = _Shape(
                sum(part.min_bytes for part in parts),
                total,
                any(part.is_recursive for part in parts),
            )
        return known[name]

    return walk(parsed, 0)
