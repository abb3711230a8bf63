"""The part that the Avro and Protobuf schemas of a result type share."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from schemas.registry.registered import UnusableSchemaError

NAMESPACE = "penstock"

#: Types that `msgspec.to_builtins` writes as texts.
TEXTS = (
    inspect.StrType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.TimeType,
    inspect.DecimalType,
    inspect.UUIDType,
)


def claim_name(claimed: dict[str, Any], name: str, owner: Any) -> bool:
    """Take a name in a schema for a type; return whether the type has it already.

    Raises:
        UnusableSchemaError: another type has it.
    """
    if name in claimed and claimed[name] != owner:
        raise UnusableSchemaError(f"two types have the name {name}")
    is_known = name in claimed
    claimed[name] = owner
    return is_known


def default_of(field: inspect.Field) -> Any:
    """Return the plain default of a field; None: it has none, or it is null."""
    if field.required:
        return None
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return msgspec.to_builtins(field.default)
