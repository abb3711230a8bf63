"""Write structs as framed Protobuf messages, and read the origin of a framed Protobuf result."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from google.protobuf import descriptor_pool, message_factory

from schemas.event import Origin, Result
from schemas.registry.framing import PREFIX_BYTES, read_indexes, write_indexes
from schemas.registry.protobuf import messages_of
from schemas.registry.protobuf_schema import protobuf_schema
from schemas.registry.protoc import FILE, compile_descriptors
from schemas.registry.registered import RegisteredSchema


def protobuf_text(struct: type[msgspec.Struct]) -> str:
    """Return the `.proto` file of a struct, after compiling it.

    Raises:
        UnusableSchemaError: a field has no Protobuf type, or the compiler refuses the file.
    """
    _message(struct)
    return protobuf_schema(struct).text


def protobuf_writer(struct: type[msgspec.Struct], prefix: bytes) -> Callable[[Any], bytes]:
    """Return a function that encodes a struct; the same value gives the same bytes.

    Args:
        struct: the type of the values.
        prefix: what a frame begins with; the message indexes are added here.

    Raises:
        UnusableSchemaError: a field has no Protobuf type.
    """
    indexes, cls = _message(struct)
    start = prefix + write_indexes(indexes)
    convert, to_plain = protobuf_schema(struct).convert, msgspec.to_builtins

    def encode(result: Any) -> bytes:
        message = cls(**convert(to_plain(result, builtin_types=(bytes,))))
        encoded: bytes = message.SerializeToString(deterministic=True)
        return start + encoded

    return encode


def protobuf_origin(value: bytes) -> Origin:
    """Return the input record of a framed Protobuf result, without its schema.

    The fields of `Result` have the same numbers in the messages of all result types.

    Raises:
        ValueError: the value is not a result.
    """
    try:
        return _origin(value[PREFIX_BYTES:])
    except Exception as error:  # of any type, on bytes that are not Protobuf
        raise ValueError(f"not a Protobuf result: {type(error).__name__}: {error}") from error


def _origin(framed: bytes) -> Origin:
    _, at = read_indexes(framed)
    message = _message(Result)[1].FromString(framed[at:])
    if not message.HasField("origin"):
        raise ValueError("it has no origin")
    origin = message.origin
    return Origin(origin.topic, origin.partition, origin.offset)


@cache
def _message(struct: type[msgspec.Struct]) -> tuple[tuple[int, ...], Any]:
    """Return the indexes of a struct's message in its file, and the message's class."""
    pool = descriptor_pool.DescriptorPool()
    for file in compile_descriptors(RegisteredSchema("PROTOBUF", protobuf_schema(struct).text)).file:
        pool.Add(file)
    messages = messages_of(pool.FindFileByName(FILE))
    indexes = next(i for i, message in messages.items() if message.name == struct.__name__)
    return indexes, message_factory.GetMessageClass(messages[indexes])
