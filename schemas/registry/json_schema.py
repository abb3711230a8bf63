"""JSON of a schema registry: framed, and checked against its schema only where asked for."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from schemas.errors import DecodeError, SchemaError
from schemas.registry.framed import FramedValues, Read
from schemas.registry.framing import SchemaKey
from schemas.registry.registered import RegisteredSchema, UnusableSchemaError
from schemas.values import not_the_format


class JsonSchemaValues(FramedValues):
    """Framed JSON."""

    name = "json_schema"
    kind = "JSON"

    def __init__(self, is_checking: bool = False) -> None:
        """Set whether values are checked against their schemas: slow, some 100 µs a record."""
        super().__init__()
        self._is_checking = is_checking
        self._decode = msgspec.json.Decoder().decode

    def _compile(self, key: SchemaKey, schema: RegisteredSchema) -> Read:
        check = _checker(schema) if self._is_checking else None
        decode = self._decode

        def read(rest: bytes | None, payload: bytes) -> Any:
            try:
                value = decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise DecodeError(not_the_format("JSON", error, payload, "json")) from error
            if check is not None:
                mistake = _first_error(check, value, key)
                if mistake is not None:
                    message = str(mistake.message)[:300]
                    raise SchemaError(f"{mistake.json_path}: {message} (schema id {key})")
            return value

        return read


def _first_error(check: Any, value: Any, key: SchemaKey) -> Any:
    """Return what is wrong with a value; None: nothing."""
    from referencing.exceptions import Unresolvable

    try:
        return next(check.iter_errors(value), None)
    except Unresolvable as error:
        raise DecodeError(
            f"schema id {key} can't be used: it refers to {error.ref}, which it does not name "
            "among its references: no address is ever requested"
        ) from None
    except RecursionError:
        raise DecodeError(f"schema id {key} can't be used: it refers to itself") from None


def _checker(schema: RegisteredSchema) -> Any:
    """Return a validator that looks up references among the registered ones only."""
    from jsonschema import SchemaError as JsonSchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    try:
        contents = json.loads(schema.text)
        named = [(name, json.loads(text)) for name, text in schema.references]
        validator = validator_for(contents)
        validator.check_schema(contents)
    except (ValueError, RecursionError, JsonSchemaError) as error:
        raise UnusableSchemaError(f"not a JSON Schema: {str(error)[:200]}") from error
    # Its `retrieve` raises: no address in a schema is ever requested.
    registry: Any = Registry().with_resources(
        (name, Resource.from_contents(referred, default_specification=DRAFT7))
        for name, referred in named
    )
    return validator(contents, registry=registry)
