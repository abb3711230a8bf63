"""JSON Schemas of the headers on each kind of record. On Kafka every header is UTF-8 text."""

from __future__ import annotations

from typing import Any

from schemas.dead_letter import ERROR_PREFIX

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


_WHOLE = {"pattern": r"^-?[0-9]+$"}

#: CloudEvents 1.0, Kafka binary mode.
_CLOUDEVENTS: Schema = {
    "ce_specversion": _text("Of CloudEvents.", const="1.0"),
    "ce_id": _text("Unique within ce_source; of a result the same whenever it is repeated."),
    "ce_type": _text("The message's name, such as penstock.sensor_reading.v1."),
    "ce_source": _text("Who sent it: a URI reference.", format="uri-reference"),
    "ce_time": _text("When it happened, RFC 3339.", format="date-time"),
    "content-type": _text("Of the value."),
}
_REQUIRED = ["ce_specversion", "ce_id", "ce_type", "ce_source"]

_IMAGE: Schema = {
    "frame_index": _text("Counts the frames of a camera from 0.", **_WHOLE),
    "schema_version": _text("Of VideoFrame; 1 if absent.", **_WHOLE),
}
_RESULT: Schema = {
    "penstock_timing": _text(
        "When it was answered (ms since 1970), events in its micro-batch, seconds from the oldest "
        "one's arrival to the model call, seconds of that call.",
        pattern=r"^processed=[0-9]+;batch=[0-9]+;queue=[0-9]+\.[0-9]+;model=[0-9]+\.[0-9]+$",
    ),
}
_DEAD_LETTER: Schema = {
    ERROR_PREFIX + name: schema
    for name, schema in {
        "topic": _text("Of the original record."),
        "partition": _text("Of the original record.", **_WHOLE),
        "offset": _text("Of the original record.", **_WHOLE),
        "agent": _text("Which could not process it."),
        "reason": _text("Short and stable, such as decode_error."),
        "exception.message": _text("What was found and what was expected."),
        "exception.class.name": _text("The exception's class."),
        "attempts": _text("How often it was tried.", **_WHOLE),
        "failed_at_ms": _text("When, ms since 1970.", **_WHOLE),
        "schema_version": _text("Of these headers.", **_WHOLE),
        "full_bytes": _text("The original value's size, if it was cut or left out.", **_WHOLE),
        "cut": _text("What was cut or left out, such as value, headers, key."),
        "timestamp_ms": _text("Kafka's timestamp of the original record, if it has one.", **_WHOLE),
    }.items()
}
_MAY_BE_ABSENT = {ERROR_PREFIX + name for name in ("full_bytes", "cut", "timestamp_ms")}


def _schema(description: str, properties: Schema, required: list[str]) -> Schema:
    found = {"type": "object", "description": description, "properties": properties}
    return {**found, "required": required} if required else found


HEADER_SCHEMAS: dict[str, Schema] = {
    "EventHeaders": _schema(
        "CloudEvents headers; optional, and read where a field of the value is absent.",
        _CLOUDEVENTS,
        [],
    ),
    "ImageHeaders": _schema(
        "What a frame's bytes can't say; all of them optional.", {**_CLOUDEVENTS, **_IMAGE}, []
    ),
    "ResultHeaders": _schema(
        "CloudEvents headers, and what differs from run to run.",
        {**_CLOUDEVENTS, **_RESULT},
        _REQUIRED,
    ),
    "DeadLetterHeaders": _schema(
        "The original record's headers, and why it was put aside.",
        _DEAD_LETTER,
        [name for name in _DEAD_LETTER if name not in _MAY_BE_ABSENT],
    ),
}
