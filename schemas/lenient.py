"""Reads events as producers write them: null is absent; in maps of numbers, true is 1, false 0.

The published schemas ask for numbers, and have no null. A value that holds null or a boolean is
read by a twin of its event type that allows them, and becomes an event without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from schemas.errors import SchemaError
from schemas.event import Event
from schemas.mapping.conversions import to_number
from schemas.mapping.describe import found


class LenientType:
    """The twin of an event type: null for fields that may be absent, and within maps of numbers."""

    def __init__(self, event_type: type[Event], channel_fields: dict[str, Any]) -> None:
        """Make the twin.

        Args:
            event_type: whose events are made.
            channel_fields: the field names of its maps of numbers, each with its lenient type.
        """
        self._event_type = event_type
        self._channel_fields = tuple(channel_fields)
        self._numbers = {name: _number_of(hint) for name, hint in channel_fields.items()}
        fields = msgspec.structs.fields(event_type)
        types = {f.name: channel_fields.get(f.name, f.type) for f in fields}
        self._names = [field.name for field in fields]
        self._nullable = {f.name for f in fields if not f.required and not _may_be_null(f.type)}
        types |= {name: types[name] | None for name in self._nullable}
        self.type = msgspec.defstruct(
            event_type.__name__,
            [(f.name, types[f.name], *_default(f)) for f in fields],
            kw_only=True,
            rename={f.name: f.encode_name for f in fields},
            forbid_unknown_fields=event_type.__struct_config__.forbid_unknown_fields,
        )

    def to_event(self, twin: Any) -> Event:
        """Return the event of a decoded twin.

        Raises:
            SchemaError: no channel has a value.
        """
        values = {name: getattr(twin, name) for name in self._names}
        for name in self._nullable:
            if values[name] is None:
                del values[name]
        for name in self._channel_fields:
            channels = values.get(name)
            if not channels:
                continue
            number = self._numbers[name]
            values[name] = {k: number(v) for k, v in channels.items() if v is not None}
            if not values[name]:
                raise SchemaError(
                    f"not a {self._event_type.__name__}: {name}: each entry is null, expected a "
                    f"number in one of them: {found(channels)}"
                )
        return self._event_type(**values)

    def explain(self, value: Any) -> str:
        """Return which channel of a plain value is no number, or "" if none is."""
        for name in self._channel_fields:
            channels = value.get(name) if isinstance(value, dict) else None
            for channel, number in channels.items() if isinstance(channels, dict) else ():
                try:
                    if number is not None:
                        to_number(number)
                except SchemaError as error:
                    return f"{name}.{channel}: {error}"
        return ""


def lenient_type(event_type: type[Event]) -> LenientType | None:
    """Return the twin of an event type; None if it has a tag, which names its own type."""
    if event_type.__struct_config__.tag is not None:
        return None
    hints = get_type_hints(event_type, include_extras=True)
    fields = {f.name: hints[f.name] for f in msgspec.structs.fields(event_type)}
    channels = {name: made for name, hint in fields.items() if (made := _lenient(hint)) is not None}
    return LenientType(event_type, channels)


def _may_be_null(annotation: Any) -> bool:
    info = msgspec.inspect.type_info(annotation)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return any(isinstance(k, msgspec.inspect.NoneType | msgspec.inspect.AnyType) for k in kinds)


def _lenient(hint: Any) -> Any:
    """Return a map's type with null and booleans among its numbers; None for any other type."""
    if get_origin(hint) is Annotated:
        inner = _lenient(get_args(hint)[0])
        return None if inner is None else Annotated[(inner, *get_args(hint)[1:])]
    if get_origin(hint) is not dict:
        return None
    key, value = get_args(hint)
    info = msgspec.inspect.type_info(value)
    is_number = isinstance(info, msgspec.inspect.FloatType | msgspec.inspect.IntType)
    return dict[key, value | bool | None] if is_number else None  # type: ignore[valid-type]


def _number_of(hint: Any) -> type[float] | type[int]:
    info = msgspec.inspect.type_info(hint).value_type  # type: ignore[attr-defined]
    return float if any(isinstance(t, msgspec.inspect.FloatType) for t in info.types) else int


def _default(field: Any) -> tuple[Any, ...]:
    if field.default_factory is not msgspec.NODEFAULT:
        factory: Callable[[], Any] = field.default_factory
        return (msgspec.field(default_factory=factory),)
    return () if field.required else (field.default,)
