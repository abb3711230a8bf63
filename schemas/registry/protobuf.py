"""Protobuf of a schema registry, read by descriptors that are compiled when a schema is first seen.

A message becomes a dict with the names of its fields. A field that can't be absent (a number
without `optional`) is there with its default, as Protobuf's own rules have it; others are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError as ProtobufError

from schemas.errors import DecodeError
from schemas.registry.framed import FramedValues, Read
from schemas.registry.framing import SchemaKey, read_indexes
from schemas.registry.protoc import FILE, compile_descriptors
from schemas.registry.registered import RegisteredSchema

Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRAPPERS = ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")


class ProtobufValues(FramedValues):
    """Protobuf: the message that the record's indexes name."""

    name = "protobuf"
    kind = "PROTOBUF"

    def _compile(self, key: SchemaKey, schema: RegisteredSchema) -> Read:
        pool = descriptor_pool.DescriptorPool()
        for file in compile_descriptors(schema).file:
            pool.Add(file)
        messages = messages_of(pool.FindFileByName(FILE))
        makers: dict[tuple[int, ...], tuple[Any, Convert, str]] = {}
        for indexes, descriptor in messages.items():
            cls = message_factory.GetMessageClass(descriptor)
            makers[indexes] = cls, _Converters().of(descriptor), descriptor.full_name

        def read(rest: bytes | None, payload: bytes) -> Any:
            indexes, at = read_indexes(payload if rest is None else rest)
            maker = makers.get(indexes)
            if maker is None:
                raise DecodeError(
                    f"schema id {key} has no message with the indexes {list(indexes)}: expected "
                    f"one of {', '.join(name for _, _, name in list(makers.values())[:10])}"
                )
            cls, convert, name = maker
            try:
                return convert(cls.FromString(payload[at:] if rest is None else payload))
            except (ProtobufError, OverflowError, ValueError, RecursionError) as error:
                reason = str(error)[:200]
                raise DecodeError(f"not Protobuf of schema id {key} ({name}): {reason}") from error

        return read


def to_plain_message(message: Any) -> Any:
    """Return the plain value of a message."""
    return _Converters().of(message.DESCRIPTOR)(message)


def messages_of(file: Any) -> dict[tuple[int, ...], Descriptor]:
    """Return every message of a file by its indexes: position in the file, then within others."""
    found: dict[tuple[int, ...], Descriptor] = {}

    def add(path: tuple[int, ...], descriptor: Any) -> None:
        found[path] = descriptor
        for i, nested in enumerate(descriptor.nested_types):
            add((*path, i), nested)

    # In the order of the file, which the mapping of a file keeps.
    for i, descriptor in enumerate(file.message_types_by_name.values()):
        add((i,), descriptor)
    return found


class _Converters:
    """Makes a function for each message type that turns a message into a plain value."""

    def __init__(self) -> None:
        self._made: dict[str, Convert] = {}

    def of(self, descriptor: Any) -> Convert:
        """Return the function for one message type; types may hold themselves."""
        name = descriptor.full_name
        if special := _special(name):
            return special
        if name not in self._made:
            fields: list[tuple[str, bool, Convert | None]] = []

            def convert(message: Any) -> Any:
                plain = {}
                for field, has_presence, make in fields:
                    if has_presence and not message.HasField(field):
                        continue
                    value = getattr(message, field)
                    plain[field] = value if make is None else make(value)
                return plain

            self._made[name] = convert
            fields += [(f.name, f.has_presence, self._field(f)) for f in descriptor.fields]
        return self._made[name]

    def _field(self, field: Any) -> Convert | None:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            value = self._single(entry.fields_by_name["value"])
            return lambda items: {
                _key(k): v if value is None else value(v) for k, v in items.items()
            }
        single = self._single(field)
        if not field.is_repeated:
            return single
        if single is None:
            return list
        return lambda items: [single(item) for item in items]

    def _single(self, field: Any) -> Convert | None:
        """Return the function for one value of a field; None: it is plain as it is."""
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.type == FieldDescriptor.TYPE_ENUM:
            names = {value.number: value.name for value in field.enum_type.values}
            return lambda number: names.get(number, number)
        return None


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _special(name: str) -> Convert | None:
    """Return how a message of Google's well-known types becomes a plain value."""
    if not name.startswith("google.protobuf."):
        return None
    short = name.removeprefix("google.protobuf.")
    if short == "Timestamp":
        return lambda t: _EPOCH + timedelta(seconds=t.seconds, microseconds=t.nanos // 1000)
    if short == "Duration":
        return lambda d: d.seconds + d.nanos / 1e9
    if short.removesuffix("Value") in _WRAPPERS and short.endswith("Value"):
        return lambda wrapper: wrapper.value
    return {"Struct": _struct, "Value": _value, "ListValue": _list}.get(short)


def _struct(message: Any) -> Any:
    return {name: _value(value) for name, value in message.fields.items()}


def _list(message: Any) -> Any:
    return [_value(value) for value in message.values]


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    value = getattr(message, kind)
    if kind == "struct_value":
        return _struct(value)
    return _list(value) if kind == "list_value" else value
