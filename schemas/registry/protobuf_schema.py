"""The Protobuf (proto3) schema of a result type, and what turns a result into its message.

The result is the first message of the file. Field numbers come from the classes that declare the
fields: those of the first base class start at 1, those of each class below it 100 higher. So a new
last field in any class moves no other field's number.

What proto3 can't say by itself is a message: a list within a list, and a list or map that may be
null, is one with the single field `values`. A scalar is `optional` where its absence is not the
type's zero: it may be null, or its default is another value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from schemas.registry.registered import UnusableSchemaError
from schemas.registry.struct_types import NAMESPACE, TEXTS, claim_name, default_of

#: Turns a plain value (`msgspec.to_builtins`) into what a message's constructor takes.
Convert = Callable[[Any], Any]

_NUMBERS_PER_CLASS = 100
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ZEROS: tuple[Any, ...] = (0, 0.0, False, "", b"")


class ProtobufSchema(NamedTuple):
    """A file, and how a value of the struct becomes its first message."""

    text: str
    """Of the `.proto` file."""
    convert: Convert
    """From the plain dict to the arguments of the message's constructor."""


class _Type(NamedTuple):
    name: str
    """As the file writes it."""
    convert: Convert | None = None
    """None: the plain value is taken as it is."""
    label: str = ""
    """`repeated ` for a list."""

    @property
    def is_collection(self) -> bool:
        return bool(self.label) or self.name.startswith("map<")


@cache
def protobuf_schema(struct: type[msgspec.Struct]) -> ProtobufSchema:
    """Return the schema of a struct's plain form.

    Raises:
        UnusableSchemaError: a field has no Protobuf type, such as `Any`.
    """
    types = _Types()
    types.message(inspect.type_info(struct))
    head = ['syntax = "proto3";', f"package {NAMESPACE};"]
    messages = ["\n".join(lines) for lines in types.messages.values()]
    text = "\n\n".join(["\n".join(head), *messages]) + "\n"
    return ProtobufSchema(text, types.converter(struct.__name__))


class _Types:
    def __init__(self) -> None:
        self.messages: dict[str, list[str]] = {}
        """The lines of each message, by its name."""
        self._classes: dict[str, Any] = {}
        self._converters: dict[str, Convert] = {}

    def message(self, info: Any) -> _Type:
        name = info.cls.__name__
        if claim_name(self._classes, name, info.cls):
            return _Type(name, self.converter(name))
        lines = self.messages[name] = [f"message {name} {{"]
        fields: list[tuple[str, Convert | None]] = []
        by_name = {field.name: field for field in info.fields}
        for field_name, number in _numbers(info.cls):
            field = by_name[field_name]
            made = self._field(name, field)
            lines.append(f"  {made.label}{made.name} {field.encode_name} = {number};")
            fields.append((field.encode_name, made.convert))
        lines.append("}")
        self._converters[name] = _struct_converter(fields)
        return _Type(name, self.converter(name))

    def converter(self, name: str) -> Convert:
        """Return what converts a message; looked up late, because a message may hold itself."""
        return lambda plain: self._converters[name](plain)

    def _field(self, message: str, field: inspect.Field) -> _Type:
        where = f"{message}.{field.name}"
        if not _NAME.fullmatch(field.encode_name):
            raise UnusableSchemaError(f"{where}: {field.encode_name!r} is no name in Protobuf")
        try:
            found, may_be_null = _split_null(field.type)
            made = self.of(found)
        except UnusableSchemaError as error:
            raise UnusableSchemaError(f"{where}: {error}") from None
        if made.is_collection:
            return self._wrapped(made) if may_be_null else made
        is_scalar = made.name not in self.messages
        if is_scalar and (may_be_null or default_of(field) not in (None, *_ZEROS)):
            return made._replace(label="optional ")
        return made

    def of(self, info: inspect.Type) -> _Type:
        """Return the type of one value that is never null."""
        if isinstance(info, inspect.StructType):
            return self.message(info)
        if isinstance(info, inspect.DictType):
            return self._map(info)
        if isinstance(info, inspect.ListType | inspect.VarTupleType | inspect.SetType):
            return self._list(self._element(info.item_type))
        if isinstance(info, inspect.TupleType):
            made = [self._element(item) for item in info.item_types]
            if not made or any(item.name != made[0].name for item in made):
                raise UnusableSchemaError("a tuple of several types has no Protobuf type")
            return self._list(made[0])
        return _Type(_simple(info))

    def _element(self, info: inspect.Type) -> _Type:
        """Return the type of a value within a list or a map."""
        found, may_be_null = _split_null(info)
        if may_be_null:
            raise UnusableSchemaError("a null within a list or map has no Protobuf type")
        made = self.of(found)
        return self._wrapped(made) if made.is_collection else made

    def _list(self, item: _Type) -> _Type:
        convert = item.convert
        if convert is None:
            return _Type(item.name, label="repeated ")
        return _Type(item.name, lambda values: [convert(v) for v in values], "repeated ")

    def _map(self, info: inspect.DictType) -> _Type:
        if not isinstance(info.key_type, inspect.StrType):
            raise UnusableSchemaError("a map whose keys are not text has no Protobuf type")
        value = self._element(info.value_type)
        name, convert = f"map<string, {value.name}>", value.convert
        if convert is None:
            return _Type(name)
        return _Type(name, lambda items: {key: convert(v) for key, v in items.items()})

    def _wrapped(self, made: _Type) -> _Type:
        """Return a message around a list or map."""
        kind = "List" if made.label else "Map"
        item = made.name.removeprefix("map<string, ").removesuffix(">")
        name = f"{item[:1].upper()}{item[1:]}{kind}"
        if not claim_name(self._classes, name, (kind, item)):
            field = f"  {made.label}{made.name} values = 1;"
            self.messages[name] = [f"message {name} {{", field, "}"]
        convert = made.convert
        if convert is None:
            return _Type(name, lambda values: {"values": values})
        return _Type(name, lambda values: {"values": convert(values)})


def _struct_converter(fields: list[tuple[str, Convert | None]]) -> Convert:
    def convert(plain: Any) -> Any:
        made = {}
        for name, field_convert in fields:
            value = plain.get(name)
            if value is not None:
                made[name] = value if field_convert is None else field_convert(value)
        return made

    return convert


def _numbers(cls: type[Any]) -> Iterator[tuple[str, int]]:
    """Yield the fields of a class and of its bases, each with its number."""
    seen: set[str] = set()
    first = 1
    for base in reversed(cls.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        names = [n for n in base.__struct_fields__ if n not in seen]
        if not names:
            continue
        if len(names) >= _NUMBERS_PER_CLASS:
            raise UnusableSchemaError(
                f"{base.__name__} has more than {_NUMBERS_PER_CLASS - 1} fields"
            )
        seen.update(names)
        yield from zip(names, range(first, first + len(names)), strict=True)
        first += _NUMBERS_PER_CLASS


def _split_null(info: inspect.Type) -> tuple[inspect.Type, bool]:
    """Return a type without null, and whether it had it."""
    if not isinstance(info, inspect.UnionType):
        return info, False
    branches = [t for t in info.types if not isinstance(t, inspect.NoneType)]
    has_null = len(branches) < len(info.types)
    if all(isinstance(t, inspect.IntType | inspect.FloatType) for t in branches):
        floats = [t for t in branches if isinstance(t, inspect.FloatType)]
        return (floats or branches)[0], has_null  # `int | float` is a float
    if len(branches) != 1:
        raise UnusableSchemaError("a union of several types has no Protobuf type")
    return branches[0], has_null


def _simple(info: inspect.Type) -> str:
    if isinstance(info, inspect.BoolType):
        return "bool"
    if isinstance(info, inspect.IntType):
        return "int64"
    if isinstance(info, inspect.FloatType):
        return "double"
    if isinstance(info, inspect.BytesType | inspect.ByteArrayType):
        return "bytes"
    if isinstance(info, inspect.LiteralType) and all(isinstance(v, str) for v in info.values):
        return "string"
    if isinstance(info, TEXTS):
        return "string"
    raise UnusableSchemaError(f"{type(info).__name__.removesuffix('Type')} has no Protobuf type")
