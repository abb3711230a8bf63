"""Read the first fields of a framed value that Penstock wrote, without asking the registry.

The fields of a base class come first in the schemas of all types below it, and new fields last: so
the start of a value is the same in all versions of all of them.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any, TypeVar

import msgspec

from schemas.registry.framing import PREFIX_BYTES

T = TypeVar("T", bound=msgspec.Struct)


def leading_fields(codec: str, struct: type[T], value: bytes) -> T:
    """Return the fields that a framed value shares with a base class of its type.

    Args:
        codec: `avro`, `protobuf` or `json_schema`.
        struct: the base class.
        value: with its frame.

    Raises:
        ValueError: the value is not of that codec, or lacks one of the fields.
    """
    payload = value[PREFIX_BYTES:]
    try:
        if codec == "json_schema":
            return msgspec.json.decode(payload, type=struct)
        plain = _avro(struct, payload) if codec == "avro" else _protobuf(struct, payload)
        return msgspec.convert(plain, struct)
    except Exception as error:  # of any type, on bytes that are not of the codec
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"not {codec} that Penstock wrote: {reason}") from error


def _avro(struct: type[msgspec.Struct], payload: bytes) -> Any:
    import fastavro

    return fastavro.schemaless_reader(BytesIO(payload), _avro_of(struct), None)


@cache
def _avro_of(struct: type[msgspec.Struct]) -> Any:
    import fastavro

    from schemas.registry.avro_schema import avro_schema

    return fastavro.parse_schema(avro_schema(struct))


def _protobuf(struct: type[Any], payload: bytes) -> Any:
    from schemas.registry.protobuf_output import read_message

    return read_message(struct, payload)
