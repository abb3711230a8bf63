"""Check `fields`, `where` and `envelope` of an agent, and compile them to a `RecordReader`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.registry import model_class, model_names
from schemas import EVENT_TYPES, Event
from schemas.mapping.converting import ConvertMapping
from schemas.mapping.field_spec import EACH, FieldsError, parse_fields
from schemas.mapping.fields import FieldMapping
from schemas.mapping.reader import RecordReader
from schemas.mapping.twins import twin_of
from schemas.mapping.where import WhereError, parse_where
from schemas.values import VALUE_CODECS, EventMapping, ValueCodec
from streams.settings import AgentSettings

#: With `codec: image` the value is the picture itself.
_IMAGE_FIELDS = {"image": "$value"}


def fields_of(settings: AgentSettings) -> dict[str, Any]:
    """Return an agent's `fields`, with those that its codec gives by itself."""
    given = _IMAGE_FIELDS if settings.codec == "image" and settings.fields else {}
    return {**given, **settings.fields}


def make_reader(
    settings: AgentSettings,
    event_type: type[Event],
    base_dir: Path,
    codec: ValueCodec | None = None,
) -> RecordReader:
    """Compile how an agent's input becomes events.

    Args:
        settings: of the agent.
        event_type: of its model.
        base_dir: the pipeline file's folder: where the folder of pictures starts.
        codec: reads the values; None: the one that `codec:` names.

    Raises:
        ModelError: a field does not fit the event type. What can be wrong without knowing the type
            was reported when the file was read.
    """
    try:
        mapping: EventMapping = ConvertMapping(event_type)
        twin = None
        if settings.fields:
            spec = parse_fields(fields_of(settings), event_type)
            mapping = FieldMapping(spec, event_type, base_dir)
            twin = twin_of(spec, event_type, settings.codec) if codec is None else None
    except FieldsError as error:
        raise ModelError(f"{'.'.join(map(str, ('fields', *error.keys)))}: {error}") from error
    return RecordReader(
        VALUE_CODECS[settings.codec]() if codec is None else codec,
        mapping,
        envelope=settings.envelope,
        where=parse_where(settings.where) if settings.where else None,
        key_format=settings.key_format,
        twin=twin,
    )


def input_mistakes(settings: AgentSettings) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    """Yield what is wrong with how an agent's input is read: path below the agent, message, key."""
    if settings.fields:
        try:
            parse_fields(fields_of(settings), _known_event_type(settings))
        except FieldsError as error:
            yield ("fields", *error.keys), str(error), error.is_about_key
    if settings.where:
        try:
            parse_where(settings.where)
        except WhereError as error:
            yield ("where",), str(error), False
    if settings.envelope != "none" and settings.codec == "image":
        yield ("envelope",), "not with `codec: image`, whose value is the picture itself", False
    if settings.is_mapped and settings.codec == "audio":
        yield (
            ("codec",),
            "audio: not with `fields`, `where` or `envelope`: the value is sound",
            False,
        )
    if EACH in settings.fields and settings.overload == "latest":
        message = "not with `overload: latest`: the readings of a record have several ages"
        yield ("fields", EACH), message, True


def _known_event_type(settings: AgentSettings) -> type[Event] | None:
    """Return the event type if it is a registered one or a registered model's, else None."""
    if settings.event:
        return EVENT_TYPES.get(settings.event)
    if settings.model_name not in model_names():
        return None
    try:
        event_type: type[Event] = model_class(settings.model_name).event_type
    except ImportError:  # reported when the model is made
        return None
    return None if event_type is Event else event_type
