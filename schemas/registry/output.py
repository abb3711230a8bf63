"""Write results with schemas of a registry: framed Avro, Protobuf or JSON.

A schema is made from the result type; its id comes from the registry, before the first result.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any, Literal

import msgspec

from schemas.event import Origin, Result
from schemas.json_schema import DRAFT
from schemas.registry.avro_schema import avro_schema
from schemas.registry.codecs import CONTENT_TYPES
from schemas.registry.leading_fields import leading_fields
from schemas.registry.registered import RegisteredSchema
from schemas.registry.struct_types import NAMESPACE

SubjectNames = Literal["topic", "record", "topic_record"]

_encode_json = msgspec.json.Encoder().encode


def result_schema(codec: str, result_type: type[msgspec.Struct]) -> RegisteredSchema:
    """Return the schema that results of a type are written with.

    Args:
        codec: `avro`, `protobuf` or `json_schema`.
        result_type: of the results.

    Raises:
        UnusableSchemaError: a field has no type of that format.
    """
    if codec == "avro":
        return RegisteredSchema("AVRO", json.dumps(avro_schema(result_type)))
    if codec == "protobuf":
        from schemas.registry.protobuf_output import protobuf_text

        return RegisteredSchema("PROTOBUF", protobuf_text(result_type))
    schema = msgspec.json.schema(result_type)
    return RegisteredSchema(
        "JSON", json.dumps({"$schema": DRAFT, "title": result_type.__name__, **schema})
    )


def result_origin(codec: str, value: bytes) -> Origin:
    """Return the input record of a framed result, without its schema.

    Raises:
        ValueError: the value is not a result.
    """
    origin = leading_fields(codec, Result, value).origin
    if origin.offset < 0:
        raise ValueError("a result without an origin")
    return origin


def subject_of(names: SubjectNames, topic: str, result_type: type[msgspec.Struct]) -> str:
    """Return the subject of a schema, as Confluent's three strategies name it."""
    record = f"{NAMESPACE}.{result_type.__name__}"
    return {"topic": f"{topic}-value", "record": record, "topic_record": f"{topic}-{record}"}[names]


class FramedResults:
    """Encodes results of the types that `learn` was given; thread-safe once it has them all."""

    def __init__(self, codec: str) -> None:
        """Know no schema yet.

        Args:
            codec: `avro`, `protobuf` or `json_schema`.
        """
        self.name = codec
        self.content_type = CONTENT_TYPES[codec]
        self._writers: dict[type[Any], Callable[[Any], bytes]] = {}

    def learn(self, result_type: type[msgspec.Struct], schema_id: int) -> None:
        """Take the id of a result type's schema."""
        prefix = b"\0" + schema_id.to_bytes(4, "big")
        if self.name == "avro":
            self._writers[result_type] = _avro_writer(result_type, prefix)
        elif self.name == "protobuf":
            from schemas.registry.protobuf_output import protobuf_writer

            self._writers[result_type] = protobuf_writer(result_type, prefix)
        else:
            self._writers[result_type] = lambda result: prefix + _encode_json(result)

    def encode(self, message: Any) -> bytes:
        """Return the framed bytes of a result.

        Raises:
            TypeError: it is not of the type that its model declares.
        """
        writer = self._writers.get(type(message))
        if writer is None:
            known = ", ".join(cls.__name__ for cls in self._writers)
            raise TypeError(
                f"codec {self.name} writes {known}, whose schema is registered, not "
                f"{type(message).__name__}"
            )
        return writer(message)


def _avro_writer(result_type: type[msgspec.Struct], prefix: bytes) -> Callable[[Any], bytes]:
    import fastavro

    schema = fastavro.parse_schema(avro_schema(result_type))
    write, to_plain = fastavro.schemaless_writer, msgspec.to_builtins

    def encode(result: Any) -> bytes:
        stream = BytesIO()
        stream.write(prefix)
        write(stream, schema, to_plain(result, builtin_types=(bytes,)))
        return stream.getvalue()

    return encode
