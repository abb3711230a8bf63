"""A schema as a registry has it."""

from __future__ import annotations

from typing import NamedTuple

#: Bytes of a schema and what it refers to: above it, it is not compiled.
MAX_SCHEMA_BYTES = 1_000_000
#: Schemas that one schema refers to, all levels together.
MAX_REFERENCES = 100
#: Levels of records, lists and maps within each other.
MAX_NESTING = 64


class RegisteredSchema(NamedTuple):
    """A schema with everything that it refers to."""

    kind: str
    """AVRO, PROTOBUF or JSON."""
    text: str
    references: tuple[tuple[str, str], ...] = ()
    """Name and text of each schema that it refers to, those that others need first."""


class UnusableSchemaError(ValueError):
    """A registered schema can't be compiled; the message says why."""
