"""Reads `fields:` of a pipeline file: which path gives which field of the event, and how.

Everything that can be wrong without looking at a record is found here, with the key it concerns.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from schemas.event import Event
from schemas.mapping import images, times
from schemas.mapping.field_options import FieldOptions, FieldsError, did_you_mean, path_of
from schemas.mapping.paths import FieldPath
from schemas.mapping.picture_urls import Prefix, parse_prefix

__all__ = [
    "EACH",
    "EVENT_TIME",
    "Channels",
    "FieldsError",
    "FieldsSpec",
    "Source",
    "kind_of",
    "parse_fields",
]

#: The key under which `fields:` gives the event's time, and the event's own name of it.
EVENT_TIME = "event_time"
_EVENT_TIME_MS = "event_time_ms"
#: The key that names a list of readings, each of which is an event.
EACH = "each"
_PICTURE_OPTIONS = ("folder", "allow", "max_bytes", "timeout_seconds")
_NOT_MAPPED = ("schema_version", _EVENT_TIME_MS)


class Source(NamedTuple):
    """Where one field comes from."""

    path: FieldPath
    optional: bool = False
    """Whether a record may leave it out: then the field has its default."""
    numeric_text: bool = False
    """Whether a number may be written as text."""
    format: str = ""
    """Of a time or a picture; "": the kind of field has one only."""
    zone: tzinfo | None = None
    folder: str = ""
    """The only folder that files are read from."""
    allow: tuple[Prefix, ...] = ()
    """The prefixes of the URLs that are read."""
    max_bytes: int = 20_000_000
    """Of a file or object."""
    timeout_seconds: float = 10.0
    """Of reading an object."""

    @property
    def reads_files(self) -> bool:
        """Whether a value is somewhere else."""
        return bool(self.folder or self.allow)


class Channels(NamedTuple):
    """Where a map of numbers comes from: all entries of an object, or single paths."""

    from_path: FieldPath | None = None
    include: tuple[str, ...] = ("*",)
    """Glob patterns of the names to take from `from_path`."""
    exclude: tuple[str, ...] = ()
    rename: Mapping[str, str] = MappingProxyType({})
    paths: tuple[tuple[str, FieldPath], ...] = ()
    """Channel name and path, where there is no `from_path`."""
    numeric_text: bool = False
    not_numbers: str = "refuse"
    """`refuse`, or `skip`: what happens to texts, lists and objects among the numbers."""
    name: FieldPath | None = None
    """Where `from_path` is a list: the path of an entry's name, from the entry."""
    value: FieldPath | None = None
    """Then also: the path of its number."""


class FieldsSpec(NamedTuple):
    """All of `fields:`."""

    each: FieldPath | None
    sources: dict[str, Source | Channels]
    """By the event type's own field names."""


def kind_of(event_type: type[Event], name: str) -> str:
    """Return what kind of value a field takes.

    `time`, `text`, `number`, `whole`, `truth`, `bytes`, `channels` (a map of numbers) or `other`.
    """
    if name == _EVENT_TIME_MS:
        return "time"
    inspect = msgspec.inspect
    fields = {f.name: f.type for f in inspect.type_info(event_type).fields}  # type: ignore[attr-defined]
    info = fields[name]
    if isinstance(info, inspect.DictType):
        is_text = isinstance(info.key_type, inspect.StrType)
        is_number = isinstance(info.value_type, inspect.FloatType | inspect.IntType)
        return "channels" if is_text and is_number else "other"
    kinds = {"StrType": "text", "FloatType": "number", "IntType": "whole", "BoolType": "truth",
             "BytesType": "bytes"}  # fmt: skip
    return kinds.get(type(info).__name__, "other")


def parse_fields(fields: Mapping[str, Any], event_type: type[Event] | None) -> FieldsSpec:
    """Check `fields:` and return what it says.

    Args:
        fields: the mapping, as the pipeline file has it.
        event_type: the type that the fields must be of; None: not known yet, so that only the form
            of paths and options is checked.

    Raises:
        FieldsError: an unknown key, a path that is none, or a field that the event type needs and
            nothing gives.
    """
    each = None
    sources: dict[str, Source | Channels] = {}
    known = {} if event_type is None else _mappable(event_type)
    for key, value in fields.items():
        if key == EACH:
            each = path_of(value, (EACH,))
            continue
        if event_type is not None and key not in known:
            hint = did_you_mean(key, [*known, EACH])
            raise FieldsError((key,), f"{event_type.__name__} has no such field{hint}", True)
        name = _EVENT_TIME_MS if key == EVENT_TIME else key
        kind = "time" if key == EVENT_TIME else known.get(key, "")
        sources[name] = _source(key, value, kind)
    _require(event_type, sources)
    return FieldsSpec(each, sources)


def _mappable(event_type: type[Event]) -> dict[str, str]:
    """Return each key that `fields:` may have for the type, with its kind."""
    names = [f.name for f in msgspec.structs.fields(event_type) if f.name not in _NOT_MAPPED]
    return {**{name: kind_of(event_type, name) for name in names}, EVENT_TIME: "time"}


def _require(event_type: type[Event] | None, sources: Mapping[str, Any]) -> None:
    if event_type is None:
        return
    missing = [
        f.name for f in msgspec.structs.fields(event_type) if f.required and f.name not in sources
    ]
    if missing:
        names = ", ".join(missing)
        raise FieldsError((), f"{event_type.__name__} needs {names}: add a path for it", True)


def _source(key: str, value: Any, kind: str) -> Source | Channels:
    is_selection = isinstance(value, list) or (isinstance(value, dict) and "path" not in value)
    if kind == "channels" or (kind == "" and is_selection):
        return _channels(key, value)
    if isinstance(value, str):
        source = Source(path_of(value, (key,)), format=_default_format(kind))
        return _checked_format(key, source, kind)
    if not isinstance(value, dict):
        raise FieldsError((key,), "expected a path, or a mapping with `path`")
    options = FieldOptions(value, (key,), ("path", "optional", *_options_of(kind)))
    return _checked_format(
        key,
        Source(
            options.path("path"),
            optional=options.truth("optional"),
            numeric_text=options.truth("numeric_text"),
            format=options.text("format", _default_format(kind)),
            zone=options.zone(),
            folder=options.text("folder", ""),
            allow=_prefixes(key, options),
            max_bytes=options.whole("max_bytes", 20_000_000),
            timeout_seconds=options.seconds("timeout_seconds", 10.0),
        ),
        kind,
    )


def _options_of(kind: str) -> tuple[str, ...]:
    return {
        "time": ("format", "zone", "numeric_text"),
        "bytes": ("format", *_PICTURE_OPTIONS),
        "number": ("numeric_text",),
        "whole": ("numeric_text",),
        "": ("format", "zone", "numeric_text", *_PICTURE_OPTIONS),
    }.get(kind, ())


def _default_format(kind: str) -> str:
    return {"bytes": "base64"}.get(kind, "")


def _checked_format(key: str, source: Source, kind: str) -> Source:
    """Check that a time or a picture has a format, and that its options belong to it."""
    if kind == "time":
        if source.format == "" and source.path.root == "$timestamp":
            return source._replace(format="unix_ms")
        if source.format not in times.FORMATS:
            formats = ", ".join(times.FORMATS)
            hint = f"expected {{path: {source.path.text}, format: ...}} with one of {formats}"
            raise FieldsError((key,), hint if source.format == "" else f"format: {hint}")
        if source.zone is not None and source.format != "iso8601":
            raise FieldsError((key, "zone"), "only with `format: iso8601`")
    if kind == "bytes":
        if source.format not in images.FORMATS:
            raise FieldsError((key, "format"), f"expected one of {', '.join(images.FORMATS)}")
        if (source.format == "file") != bool(source.folder):
            message = "`format: file` needs `folder`, the only folder that files are read from"
            raise FieldsError((key,), message)
        if (source.format == "url") != bool(source.allow):
            message = "`format: url` needs `allow`, the prefixes of URLs that are read, and only it"
            raise FieldsError((key,), message)
    return source


def _prefixes(key: str, options: FieldOptions) -> tuple[Prefix, ...]:
    prefixes = []
    for i, text in enumerate(options.texts("allow", ())):
        try:
            prefixes.append(parse_prefix(text))
        except ValueError as error:
            raise FieldsError((key, "allow", i), str(error)) from None
    return tuple(prefixes)


def _channels(key: str, value: Any) -> Channels:
    if isinstance(value, str):
        return Channels(from_path=path_of(value, (key,)))
    if isinstance(value, list):
        paths = [path_of(text, (key, i)) for i, text in enumerate(value)]
        return _distinct(key, Channels(paths=tuple((path.name, path) for path in paths)))
    if not isinstance(value, dict):
        raise FieldsError((key,), "expected {from: path}, a list of paths, or names with paths")
    if "from" not in value:
        named = [(name, path_of(text, (key, name))) for name, text in value.items()]
        return _distinct(key, Channels(paths=tuple(named)))
    keys = ("from", "name", "value", "include", "exclude", "rename", "numeric_text", "not_numbers")
    options = FieldOptions(value, (key,), keys)
    rename = value.get("rename", {})
    if not isinstance(rename, dict) or not all(isinstance(v, str) for v in rename.values()):
        raise FieldsError((key, "rename"), "expected names with new names")
    is_list = "name" in value or "value" in value
    return Channels(
        from_path=options.path("from"),
        name=options.path("name") if is_list else None,
        value=options.path("value") if is_list else None,
        include=options.texts("include", ("*",)),
        exclude=options.texts("exclude", ()),
        rename=rename,
        numeric_text=options.truth("numeric_text"),
        not_numbers=options.one_of("not_numbers", ("refuse", "skip")),
    )


def _distinct(key: str, channels: Channels) -> Channels:
    names = [name for name, _ in channels.paths]
    if not names:
        raise FieldsError((key,), "expected at least one path")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        message = f"two paths have the name {twice[0]!r}: give names, as {{name: path}}"
        raise FieldsError((key,), message)
    return channels
