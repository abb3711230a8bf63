"""The Avro schema of a result type.

Optional fields are unions with null; fields with a default keep it, so that a schema with a new
field still reads older records (BACKWARD).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from schemas.registry.registered import UnusableSchemaError
from schemas.registry.struct_types import NAMESPACE, TEXTS, claim_name, default_of


def avro_schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a struct's plain form (`msgspec.to_builtins`).

    Raises:
        UnusableSchemaError: a field has no Avro type, such as `Any`.
    """
    schema: dict[str, Any] = _Types().record(inspect.type_info(struct))
    return schema


class _Types:
    def __init__(self) -> None:
        self._defined: dict[str, Any] = {}

    def record(self, info: Any) -> Any:
        name = info.cls.__name__
        if claim_name(self._defined, name, info.cls):
            return f"{NAMESPACE}.{name}"
        fields = [self._field(name, field) for field in info.fields]
        return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}

    def _field(self, record: str, field: inspect.Field) -> dict[str, Any]:
        try:
            made = {"name": field.encode_name, "type": self.of(field.type)}
        except UnusableSchemaError as error:
            raise UnusableSchemaError(f"{record}.{field.name}: {error}") from None
        if not field.required:
            made["default"] = default_of(field)
            if made["default"] is None and made["type"][0] != "null":
                raise UnusableSchemaError(f"{record}.{field.name}: its default is not of its type")
        return made

    def of(self, info: inspect.Type) -> Any:
        if isinstance(info, inspect.StructType):
            return self.record(info)
        if isinstance(info, inspect.UnionType):
            # null first: an optional field's default is of the first branch.
            ordered = sorted(info.types, key=lambda t: not isinstance(t, inspect.NoneType))
            return [self.of(branch) for branch in ordered]
        if isinstance(info, inspect.DictType):
            if not isinstance(info.key_type, inspect.StrType):
                raise UnusableSchemaError("a map whose keys are not text has no Avro type")
            return {"type": "map", "values": self.of(info.value_type)}
        if isinstance(info, inspect.ListType | inspect.VarTupleType | inspect.SetType):
            return {"type": "array", "items": self.of(info.item_type)}
        if isinstance(info, inspect.TupleType):
            return {"type": "array", "items": self._only(info.item_types)}
        return _simple(info)

    def _only(self, types: tuple[inspect.Type, ...]) -> Any:
        made = [self.of(item) for item in types]
        if any(item != made[0] for item in made):
            raise UnusableSchemaError("a tuple of several types has no Avro type")
        return made[0]


def _simple(info: inspect.Type) -> str:
    if isinstance(info, inspect.NoneType):
        return "null"
    if isinstance(info, inspect.BoolType):
        return "boolean"
    if isinstance(info, inspect.IntType):
        return "long"
    if isinstance(info, inspect.FloatType):
        return "double"
    if isinstance(info, inspect.BytesType | inspect.ByteArrayType):
        return "bytes"
    if isinstance(info, inspect.LiteralType) and all(isinstance(v, str) for v in info.values):
        return "string"
    if isinstance(info, TEXTS):
        return "string"
    raise UnusableSchemaError(f"{type(info).__name__.removesuffix('Type')} has no Avro type")
