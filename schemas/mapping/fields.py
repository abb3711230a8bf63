"""Compiles `fields:` for an event type: a function from a plain value to events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import InputError, SchemaError, TooLargeError
from schemas.event import Event
from schemas.mapping import conversions
from schemas.mapping.channels import Make, compile_channels
from schemas.mapping.describe import found
from schemas.mapping.field_spec import Channels, FieldsError, FieldsSpec, Source, kind_of
from schemas.mapping.images import file_reader, from_base64
from schemas.mapping.paths import Scope, compile_path
from schemas.mapping.picture_urls import Prefix, Store, url_reader
from schemas.mapping.times import time_converter

#: A record with `each` may hold this many readings.
MAX_EVENTS = 10_000


class FieldMapping:
    """The compiled `fields:` of one agent; thread-safe."""

    def __init__(self, spec: FieldsSpec, event_type: type[Event], base_dir: Path = Path()) -> None:
        """Compile.

        Args:
            spec: as `parse_fields` returned it for this event type.
            event_type: what is made.
            base_dir: where a relative `folder` of pictures starts.
        """
        self._event_type = event_type
        self._each = spec.each
        self._get_each = None if spec.each is None else compile_path(spec.each)
        self._makers = [
            (name, _compile(name, source, event_type, base_dir))
            for name, source in spec.sources.items()
        ]
        self._validates = event_type.validate is not Event.validate
        self.needs_scope = any(map(_needs_scope, [spec.each, *spec.sources.values()]))
        """Whether a path reaches beyond the value; if not, `scope` may be None."""
        self.reads_files = any(
            isinstance(source, Source) and source.reads_files for source in spec.sources.values()
        )
        """Whether making an event may read a file, and so wait for a disk or a network."""

    def events(self, value: Any, scope: Scope | None) -> Sequence[Event]:
        """Return the events of one record, in order.

        Raises:
            InputError: names the path, what was found and what was expected.
        """
        if self._get_each is None:
            return (self._event(value, scope),)
        assert self._each is not None
        readings = self._get_each(value, scope)
        if not isinstance(readings, list):
            raise SchemaError(
                f"{self._each.text}: expected a list of readings, found {found(readings)}"
            )
        if len(readings) > MAX_EVENTS:
            raise TooLargeError(
                f"{self._each.text}: {len(readings):,} readings in one record: "
                f"at most {MAX_EVENTS:,}"
            )
        events = []
        for i, reading in enumerate(readings):
            try:
                events.append(self._event(reading, scope))
            except InputError as error:
                raise type(error)(f"{self._each.text}[{i}]: {error}") from None
        return events

    def _event(self, item: Any, scope: Scope | None) -> Event:
        event = self._event_type(**{name: make(item, scope) for name, make in self._makers})
        if self._validates:
            event.validate()
        return event


def _needs_scope(source: Any) -> bool:
    paths = [source]
    if isinstance(source, Channels):
        paths = [source.from_path, source.name, source.value, *(path for _, path in source.paths)]
    if isinstance(source, Source):
        paths = [source.path]
    return any(path is not None and not path.is_plain for path in paths)


def _compile(name: str, source: Source | Channels, event_type: type[Event], base_dir: Path) -> Make:
    field = next(f for f in msgspec.structs.fields(event_type) if f.name == name)
    kind = kind_of(event_type, name)
    check = _checker(field.type, kind)
    if isinstance(source, Channels):
        make = compile_channels(source)
        return make if check is None else lambda item, scope: check(make(item, scope))
    return _compile_source(field, source, _converter(name, source, kind, base_dir), check)


def _compile_source(
    field: Any, source: Source, convert: conversions.Convert, check: Callable[[Any], Any] | None
) -> Make:
    get, text = compile_path(source.path), source.path.text
    # Other fields have defaults that say "not given". These two would be filled in from the record.
    is_needed = field.required or field.name in ("source_id", "event_time_ms")
    is_needed = is_needed and not source.optional
    default = _default(field)

    least, most = _text_limits(field.type) if convert is conversions.to_text else (1, 0)

    def make(item: Any, scope: Any) -> Any:
        value = get(item, scope)
        if type(value) is str and least <= len(value) <= most:  # by far the most frequent
            return value
        if value is None:
            if is_needed:
                raise SchemaError(f"{text}: absent or null, and needed for {field.name}")
            return default()
        try:
            value = convert(value)
            return value if check is None else check(value)
        except InputError as error:
            raise type(error)(f"{text}: {error}") from None

    return make


def _url_reader(name: str, source: Source) -> conversions.Convert:
    from schemas.mapping.picture_stores import open_store  # httpx takes a tenth of a second

    def make(prefix: Prefix) -> Store:
        return open_store(prefix, source.max_bytes, source.timeout_seconds)

    try:
        return url_reader(source.allow, make)
    except ValueError as error:
        raise FieldsError((name, "allow"), str(error)) from error


def _converter(name: str, source: Source, kind: str, base_dir: Path) -> conversions.Convert:
    is_text = source.numeric_text or source.path.is_text
    if kind == "time":
        return time_converter(source.format, source.zone, is_text=is_text)
    if kind == "bytes":
        if source.format == "file":
            return file_reader(base_dir / source.folder, source.max_bytes)
        if source.format == "url":
            return _url_reader(name, source)
        return from_base64
    return {
        "text": conversions.to_text,
        "number": conversions.to_number_or_text if is_text else conversions.to_number,
        "whole": conversions.to_whole_number_or_text if is_text else conversions.to_whole_number,
        "truth": conversions.to_truth,
    }.get(kind, conversions.as_it_is)


def _checker(annotation: Any, kind: str) -> Callable[[Any], Any] | None:
    """Return what checks a converted value against the field's own limits; None: nothing."""
    info = msgspec.inspect.type_info(annotation)
    if kind == "text" and getattr(info, "pattern", None) is None:
        return _length_checker(info, "characters")
    if kind == "bytes":
        return _length_checker(info, "bytes")
    if kind == "channels" and _is_any_number(info.value_type) and info.key_type == _PLAIN_TEXT:  # type: ignore[attr-defined]
        return _length_checker(info, "channels")
    if kind == "time" or (kind in ("number", "truth") and _is_any_number(info)):
        return None

    def check(value: Any) -> Any:
        try:
            return msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            raise SchemaError(str(error)) from None

    return check


def _default(field: Any) -> Callable[[], Any]:
    """Return a function that returns a field's default."""
    if field.default_factory is not msgspec.NODEFAULT:
        factory: Callable[[], Any] = field.default_factory
        return factory
    return lambda: field.default


def _text_limits(annotation: Any) -> tuple[int, int]:
    """Return the least and most characters of a text field; (1, 0) if it has other limits too."""
    info = msgspec.inspect.type_info(annotation)
    if not isinstance(info, msgspec.inspect.StrType) or info.pattern is not None:
        return 1, 0
    return info.min_length or 0, info.max_length or 2**63


_PLAIN_TEXT = msgspec.inspect.StrType()
_LARGEST = 1.7976931348623157e308


def _is_any_number(info: Any) -> bool:
    """Return whether a type takes every finite float."""
    if isinstance(info, msgspec.inspect.BoolType):
        return True
    if not isinstance(info, msgspec.inspect.FloatType):
        return False
    return (
        info.ge in (None, -_LARGEST) and info.le in (None, _LARGEST)
        and info.gt is None and info.lt is None and info.multiple_of is None
    )  # fmt: skip


def _length_checker(info: Any, unit: str) -> Callable[[Any], Any] | None:
    least, most = info.min_length or 0, info.max_length or 2**63
    if (least, most) == (0, 2**63):
        return None

    def check(value: Any) -> Any:
        if least <= len(value) <= most:
            return value
        limit = f"at least {least:,}" if len(value) < least else f"at most {most:,}"
        raise SchemaError(f"has {len(value):,} {unit}, expected {limit}")

    return check
