"""Find paths and patterns of `fields:` that match nothing in a sample.

`exclude` and `where` may name what is rare, so they are no mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from agents.pipeline.input_fields import fields_of
from agents.pipeline.parts import AgentParts
from schemas import InputError
from schemas.mapping.channels import entries_getter
from schemas.mapping.field_spec import EACH, EVENT_TIME, Channels, Source, parse_fields
from schemas.mapping.paths import FieldPath, compile_path
from schemas.mapping.reader import RecordReader
from schemas.values import RecordParts
from streams.kafka.reader import KafkaRecord
from streams.settings import AgentSettings

Keys = tuple[str | int, ...]
#: A reading (without `each`: the value), and the record's scope.
Item = tuple[Any, Any]


def unmatched(
    settings: AgentSettings, parts: AgentParts, records: Sequence[KafkaRecord]
) -> Iterator[tuple[Keys, str]]:
    """Yield the keys below the agent whose path or pattern matches nothing, and what it is.

    Records that the codec can't read are left out. Filtered ones count: a path that only they have
    is still a path.
    """
    if parts.reader is None or not settings.fields:
        return
    wholes = list(_readable(parts.reader, records))
    if not wholes:
        return
    spec = parse_fields(fields_of(settings), parts.event_type)
    items = wholes
    if spec.each is not None:
        get = compile_path(spec.each)
        found = [(_value(get, item), item[1]) for item in wholes]
        lists = [(entries, scope) for entries, scope in found if isinstance(entries, list)]
        items = [(entry, scope) for entries, scope in lists for entry in entries]
        if not items:
            yield ("fields", EACH), f"{spec.each.text} has no readings in {_all(wholes)}"
            return
    for name, source in spec.sources.items():
        key = EVENT_TIME if name == "event_time_ms" else name
        for below, what in _unmatched_source(source, settings.fields.get(key), items):
            yield ("fields", key, *below), f"{what} in {_all(items)}"


def _all(items: Sequence[Item]) -> str:
    return f"each of the {len(items)} sampled records"


def _readable(reader: RecordReader, records: Sequence[KafkaRecord]) -> Iterator[Item]:
    for record in records:
        parts = RecordParts(record.key, record.headers, record.timestamp_ms)
        try:
            if record.value is not None:
                yield reader.item(record.value, parts)
        except InputError:
            continue


def _value(get: Callable[[Any, Any], Any], item: Item) -> Any:
    try:
        return get(*item)
    except InputError:
        return None


def _any_value(path: FieldPath, items: Sequence[Item]) -> bool:
    get = compile_path(path)
    return any(_value(get, item) is not None for item in items)


def _unmatched_source(
    source: Source | Channels, written: Any, items: Sequence[Item]
) -> Iterator[tuple[Keys, str]]:
    if isinstance(source, Source):
        if not source.optional and not _any_value(source.path, items):
            yield (), f"{source.path.text} is null or absent"
        return
    if source.from_path is None:
        for i, (name, path) in enumerate(source.paths):
            if not _any_value(path, items):
                yield (name if isinstance(written, dict) else i,), f"{path.text} is null or absent"
        return
    if not _any_value(source.from_path, items):
        yield (), f"{source.from_path.text} is null or absent"
        return
    get = entries_getter(source)
    names = {n for item in items if isinstance(v := _value(get, item), dict) for n in v}
    for i, pattern in enumerate(source.include):
        if not any(fnmatchcase(str(name), pattern) for name in names):
            yield ("include", i), f"{pattern!r} matches no name of {source.from_path.text}"
    for name in source.rename:
        if name not in names:
            yield ("rename", name), f"{source.from_path.text} has no {name!r}"
