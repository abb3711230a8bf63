"""JSON Schemas of the headers of each kind of record. On Kafka every header is UTF-8 text."""

from __future__ import annotations

from typing import Any

from schemas.audio_codec import RESULT_HEADER
from schemas.dead_letter import ERROR_PREFIX

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


_WHOLE = {"pattern": r"^-?[0-9]+$"}

#: CloudEvents 1.0, Kafka binary mode.
_CLOUDEVENTS: Schema = {
    "ce_specversion": _text("Version of CloudEvents.", const="1.0"),
    "ce_id": _text("Unique within ce_source; a repeated result has the same id."),
    "ce_type": _text("Type of the value, such as penstock.sensor_reading.v1."),
    "ce_source": _text("The sender: a URI reference.", format="uri-reference"),
    "ce_time": _text("Event time, RFC 3339.", format="date-time"),
    "content-type": _text("Media type of the value."),
}
_REQUIRED = ["ce_specversion", "ce_id", "ce_type", "ce_source"]

_IMAGE: Schema = {
    "frame_index": _text("Number of the frame at its camera, from 0.", **_WHOLE),
    "schema_version": _text("Version of VideoFrame; 1 if absent.", **_WHOLE),
}
_AUDIO: Schema = {
    "audio_encoding": _text(
        "s16le or f32le (bare samples), wav, flac or opus; may be absent for files."
    ),
    "sample_rate_hz": _text("Samples a second of each channel; 0: as the file says.", **_WHOLE),
    "num_channels": _text("Of bare samples; 1 if absent.", **_WHOLE),
    "sequence": _text("Number of the chunk in its stream; -1: not counted.", **_WHOLE),
    "is_end": _text("1: the stream ends with this chunk; 0 if absent.", pattern="^[01]$"),
    "schema_version": _text("Version of AudioChunk; 1 if absent.", **_WHOLE),
}
_AUDIO_RESULT: Schema = {
    RESULT_HEADER: _text("JSON of all fields of the result except the sound."),
}
_RESULT: Schema = {
    "penstock_timing": _text(
        "Processing time (ms since 1970), events in the micro-batch, seconds from the arrival of "
        "the oldest of them to the model call, seconds that the call took.",
        pattern=r"^processed=[0-9]+;batch=[0-9]+;queue=[0-9]+\.[0-9]+;model=[0-9]+\.[0-9]+$",
    ),
}
_DEAD_LETTER: Schema = {
    ERROR_PREFIX + name: schema
    for name, schema in {
        "topic": _text("Topic of the original record."),
        "partition": _text("Partition of the original record.", **_WHOLE),
        "offset": _text("Offset of the original record.", **_WHOLE),
        "agent": _text("The agent that could not process the record."),
        "reason": _text("Why, short and stable, such as decode_error."),
        "exception.message": _text("What is wrong and what was expected."),
        "exception.class.name": _text("Class of the exception."),
        "attempts": _text("How often the record was tried.", **_WHOLE),
        "failed_at_ms": _text("Time of the failure, ms since 1970.", **_WHOLE),
        "schema_version": _text("Version of these headers.", **_WHOLE),
        "full_bytes": _text("Size of the original value, if it was cut or left out.", **_WHOLE),
        "cut": _text("Parts that were cut or left out, such as value, headers, key."),
        "timestamp_ms": _text("Kafka's timestamp of the original record, if it has one.", **_WHOLE),
        "value_codec": _text("Codec of a value that is framed by a schema registry."),
    }.items()
}
_MAY_BE_ABSENT = {
    ERROR_PREFIX + name for name in ("full_bytes", "cut", "timestamp_ms", "value_codec")
}


def _schema(description: str, properties: Schema, required: list[str]) -> Schema:
    schema = {"type": "object", "description": description, "properties": properties}
    return {**schema, "required": required} if required else schema


HEADER_SCHEMAS: dict[str, Schema] = {
    "EventHeaders": _schema(
        "CloudEvents headers, all optional; read where a field of the value is absent.",
        _CLOUDEVENTS,
        [],
    ),
    "ImageHeaders": _schema(
        "Fields of a frame that its bytes can't hold, all optional.", {**_CLOUDEVENTS, **_IMAGE}, []
    ),
    "AudioHeaders": _schema(
        "Fields of a chunk of sound that its bytes can't hold.", {**_CLOUDEVENTS, **_AUDIO}, []
    ),
    "AudioResultHeaders": _schema(
        "Fields of speech that a model made, and what other results have.",
        {**_CLOUDEVENTS, **_RESULT, **_AUDIO, **_AUDIO_RESULT},
        [*_REQUIRED, *_AUDIO, RESULT_HEADER],
    ),
    "ResultHeaders": _schema(
        "CloudEvents headers, and timings, which differ from run to run.",
        {**_CLOUDEVENTS, **_RESULT},
        _REQUIRED,
    ),
    "DeadLetterHeaders": _schema(
        "The headers of the original record, and why it could not be processed.",
        _DEAD_LETTER,
        [name for name in _DEAD_LETTER if name not in _MAY_BE_ABSENT],
    ),
}
