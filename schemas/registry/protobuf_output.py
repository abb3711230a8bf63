"""Write structs as framed Protobuf messages, and read them back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from google.protobuf import descriptor_pool, message_factory

from schemas.registry.framing import read_indexes, write_indexes
from schemas.registry.protobuf import messages_of, to_plain_message
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


def read_message(struct: type[msgspec.Struct], framed: bytes) -> Any:
    """Return the plain fields of a struct from message indexes and a message of it, or below it.

    Raises:
        DecodeError: the message indexes are cut short.
        google.protobuf.message.DecodeError: the bytes are no message.
    """
    _, at = read_indexes(framed)
    message = _message(struct)[1].FromString(framed[at:])
    return to_plain_message(message)


@cache
def _message(struct: type[msgspec.Struct]) -> tuple[tuple[int, ...], Any]:
    """Return the indexes of a struct's message in its file, and the message's class."""
    pool = descriptor_pool.DescriptorPool()
    schema = RegisteredSchema("PROTOBUF", protobuf_schema(struct).text)
    for file in compile_descriptors(schema).file:
        pool.Add(file)
    messages = messages_of(pool.FindFileByName(FILE))
    indexes = next(i for i, message in messages.items() if message.name == struct.__name__)
    return indexes, message_factory.GetMessageClass(messages[indexes])
