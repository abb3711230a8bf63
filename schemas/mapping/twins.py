"""Decodes the frequent mappings in one step: a generated struct with the producer's names.

msgspec then finds, checks and converts the fields in C, and skips all others unread. A twin knows
only what most records look like; where one differs (a text for a number, an object that is absent),
decoding the batch raises, and `FieldMapping` reads each record with its own rules. So both must
agree on every value that the twin accepts: tests/schemas/mapping/test_properties.py compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from schemas.codecs import without_marks
from schemas.event import Event, FiniteFloat
from schemas.mapping.channels import ChannelNames
from schemas.mapping.field_spec import Channels, FieldsSpec, Source, kind_of
from schemas.mapping.paths import FieldPath
from schemas.mapping.times import UNITS, plain_iso_ms

_MAX_MS = 2**53 - 1
_Number = FiniteFloat | bool | None
_FLOATS = {float}

#: Takes a decoded twin.
Make = Callable[[Any], Any]


def twin_of(spec: FieldsSpec, event_type: type[Event], codec: str) -> Twin | None:
    """Return the twin of a mapping, or None if it has a part that a twin can't do.

    Args:
        spec: as `parse_fields` returned it for this event type.
        event_type: what is made.
        codec: the name of the values' format.
    """
    protocol = {"json": msgspec.json, "msgpack": msgspec.msgpack}.get(codec)
    if protocol is None:
        return None
    try:
        return Twin(spec, event_type, protocol)
    except _NeedsFullRulesError:
        return None


class _NeedsFullRulesError(Exception):
    """The mapping, or a value, has a part that a twin can't do."""


class Twin:
    """Decodes the values of one mapping straight into its generated struct; thread-safe."""

    def __init__(self, spec: FieldsSpec, event_type: type[Event], protocol: Any) -> None:
        """Make the struct.

        Args:
            spec: of the mapping.
            event_type: what is made.
            protocol: `msgspec.json` or `msgspec.msgpack`.

        Raises:
            _NeedsFullRulesError: the mapping has a part that a twin can't do.
        """
        self._event_type = event_type
        if spec.each is not None or event_type.validate is not Event.validate:
            raise _NeedsFullRulesError
        tree = _Tree()
        self._makers = [
            (name, _maker(name, source, event_type, tree)) for name, source in spec.sources.items()
        ]
        self._decode = protocol.Decoder(tree.struct()).decode
        self._is_json = protocol is msgspec.json

    def read_all(self, values: Sequence[bytes]) -> list[Event]:
        """Return the event of each value, all or nothing.

        Raises:
            Exception: of any type, if one needs the full rules.
        """
        decode, event_type, makers = self._decode, self._event_type, self._makers
        twins = [decode(value) for value in (without_marks(values) if self._is_json else values)]
        columns = [[make(twin) for twin in twins] for _, make in makers]
        names = tuple(name for name, _ in makers)
        if names == ("source_id", "event_time_ms", "values"):  # without a dict for each event
            return [
                event_type(source_id=s, event_time_ms=t, values=v)  # type: ignore[call-arg]
                for s, t, v in zip(*columns, strict=True)
            ]
        return [
            event_type(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)
        ]


class _Tree:
    """The names that paths lead through, and the type at the end of each path."""

    def __init__(self) -> None:
        self._below: dict[str, _Tree] = {}
        self._leaf: Any = None

    def add(self, path: FieldPath, leaf: Any) -> str:
        """Add a path and return the attribute that leads to its value."""
        if path.root or not path.steps or not all(isinstance(step, str) for step in path.steps):
            raise _NeedsFullRulesError
        here, attributes = self, []
        for step in path.steps:
            if here._leaf is not None:  # another path ends here
                raise _NeedsFullRulesError
            attributes.append(f"f{list(here._below).index(step)}" if step in here._below
                              else f"f{len(here._below)}")  # fmt: skip
            here = here._below.setdefault(str(step), _Tree())
        if here._leaf is not None or here._below:  # two paths to one value
            raise _NeedsFullRulesError
        here._leaf = leaf
        return ".".join(attributes)

    def struct(self) -> Any:
        """Return the struct type with all paths."""
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        rename = {}
        for i, (name, tree) in enumerate(self._below.items()):
            rename[f"f{i}"] = name
            if tree._leaf is not None and tree._leaf is not _Number:  # absent: the full rules
                fields.append((f"f{i}", tree._leaf))
            else:
                fields.append((f"f{i}", tree._leaf or tree.struct() | None, None))
        return msgspec.defstruct("Twin", fields, rename=rename, gc=False, kw_only=True)


def _maker(name: str, source: Source | Channels, event_type: type[Event], tree: _Tree) -> Make:
    if isinstance(source, Channels):
        return _channels(name, source, event_type, tree)
    kind = kind_of(event_type, name)
    field = next(f for f in msgspec.structs.fields(event_type) if f.name == name)
    if source.numeric_text or source.optional:
        raise _NeedsFullRulesError
    if kind == "time":
        return _time(source, tree)
    if kind == "text" and (field.required or name == "source_id"):
        get = attrgetter(tree.add(source.path, Annotated[str, *_limits(field.type)]))
        return get
    raise _NeedsFullRulesError


def _limits(annotation: Any) -> tuple[Any, ...]:
    info = msgspec.inspect.type_info(annotation)
    assert isinstance(info, msgspec.inspect.StrType)
    if info.pattern is not None:
        raise _NeedsFullRulesError
    return (Meta(min_length=info.min_length, max_length=info.max_length),)


def _time(source: Source, tree: _Tree) -> Make:
    if source.format == "iso8601":
        get = attrgetter(tree.add(source.path, str))
        return lambda twin: plain_iso_ms(get(twin))
    per_second = UNITS[source.format]
    largest = min(_MAX_MS * per_second // 1000, 2**63 - 1)
    get = attrgetter(tree.add(source.path, Annotated[int, Meta(ge=0, le=largest)]))
    if per_second == 1000:
        return get
    return lambda twin: get(twin) * 1000 // per_second


def _channels(name: str, source: Channels, event_type: type[Event], tree: _Tree) -> Make:
    info = next(f for f in msgspec.inspect.type_info(event_type).fields if f.name == name)  # type: ignore[attr-defined]
    kind = info.type
    if not isinstance(kind.value_type, msgspec.inspect.FloatType) or source.numeric_text:
        raise _NeedsFullRulesError
    if source.name is not None or source.not_numbers != "refuse" or (kind.min_length or 0) > 1:
        raise _NeedsFullRulesError
    most = kind.max_length or 2**63
    if source.from_path is None:
        return _from_paths(source, tree, most)
    return _from_object(source, source.from_path, tree, most)


def _from_paths(source: Channels, tree: _Tree, most: int) -> Make:
    names = [name for name, _ in source.paths]
    attributes = [tree.add(path, _Number) for _, path in source.paths]
    if len(names) < 2 or len(names) > most:
        raise _NeedsFullRulesError
    get = attrgetter(*attributes)

    def make(twin: Any) -> dict[str, float]:
        values = get(twin)
        if set(map(type, values)) == _FLOATS:
            return dict(zip(names, values))  # noqa: B905 - of one length, and strict costs time
        pairs = zip(names, values, strict=True)
        return _non_empty({name: float(value) for name, value in pairs if value is not None})

    return make


def _from_object(source: Channels, path: FieldPath, tree: _Tree, most: int) -> Make:
    get = attrgetter(tree.add(path, dict[str, _Number]))
    channel_names = ChannelNames(source)
    is_renaming = bool(source.rename)

    def make(twin: Any) -> dict[str, float]:
        made = {}
        values = get(twin)
        for name, value in values.items():
            channel = channel_names[name]
            if channel is not None and value is not None:
                made[channel] = value if type(value) is float else float(value)
        if len(made) > most or (is_renaming and len(made) < len(values)):
            raise _NeedsFullRulesError  # perhaps two entries have one name
        return _non_empty(made)

    return make


def _non_empty(made: dict[str, float]) -> dict[str, float]:
    if not made:
        raise _NeedsFullRulesError
    return made
