"""Describe records: one line of text each for people, one line of JSON each for programs.

Text from outside is escaped (`printable`), so that no record can send control sequences to a
terminal. The lines contain no markup: give them to rich as `rich.text.Text`, never as `str`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from agents.errors import printable
from schemas import (
    RESULT_TYPES,
    AlertText,
    AnomalyScore,
    AudioChunk,
    AudioCodec,
    Classification,
    ClusterAssignment,
    ClusterUpdate,
    DeadLetter,
    Detections,
    DriftEvent,
    FeedbackCopy,
    GlobalCluster,
    InputError,
    ItemSummary,
    NluResult,
    Recommendation,
    Result,
    SceneEvent,
    SchemaError,
    Segmentation,
    SourceEvent,
    SpokenAudio,
    TextEmbedding,
    TextEntities,
    TextLabels,
    TextUnderstanding,
    Transcript,
    Transliteration,
)
from schemas.audio_codec import RESULT_HEADER, read_result
from schemas.audio_formats import file_encoding
from schemas.cloudevents import read_attributes, rfc3339, type_name
from schemas.dead_letter import is_dead_letter
from schemas.image_formats import image_content_type
from schemas.registry.letters import original_value
from streams.kafka.reader import KafkaRecord

R = TypeVar("R", bound=Result)

_NUM_FEATURES_SHOWN = 3


def describe_record(topic: str, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> str:
    """Return one line about a record: a sentence for a known result, else its value.

    Args:
        topic: the record's topic.
        value: its bytes; None is a tombstone.
        headers: in the record's order; `ce_type` and `content-type` say how to read the value.
    """
    if is_dead_letter(headers):
        return printable(_dead_letter(topic, value, headers))
    by_name = dict(headers)
    result_type = _TYPES.get(by_name.get("ce_type", b"").decode("utf-8", "replace"))
    if value and result_type is not None:
        try:
            return printable(describe_result(_decode(value, by_name, result_type)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # the value is not what its headers say: describe it like any other value
    return printable(_source_and_time(by_name) + describe_value(value, by_name))


def record_as_json(record: KafkaRecord, decoded: bytes | None = None) -> str:
    """Return one line of JSON, all of it ASCII, so that it can't act on a terminal either.

    Args:
        record: any.
        decoded: its value as JSON, where it is in a format that only a schema registry knows.

    `value` is the record's value as JSON; for a value that is neither JSON nor MessagePack, it is
    a string: the text, or the kind and size of bytes.
    """
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    document = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "headers": headers,
        "value": _value_as_json(record) if decoded is None else msgspec.json.decode(decoded),
    }
    return json.dumps(document)


def _value_as_json(record: KafkaRecord) -> Any:
    value, headers = record.value, dict(record.headers)
    if value is None:
        return None
    if (sound := _sound(value, headers)) is not None:
        return sound
    try:
        if b"msgpack" in headers.get("content-type", b""):
            return json_ready(msgspec.msgpack.decode(value))
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return describe_value(value, {})


def describe_value(value: bytes | None, headers: Mapping[str, bytes]) -> str:
    """Return one line about any value: JSON or text as it is, else its kind and size.

    Not yet escaped.
    """
    if value is None:
        return "null (a tombstone)"
    if kind := image_content_type(value):
        return f"[{kind}, {len(value)} bytes]"
    if (sound := _sound(value, headers)) is not None:
        return sound
    try:
        if b"msgpack" in headers.get("content-type", b""):
            return msgspec.json.encode(json_ready(msgspec.msgpack.decode(value))).decode()
        return value.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
        return f"[{len(value)} bytes: {value[:16].hex(' ')}{' ...' if len(value) > 16 else ''}]"


def _sound(value: bytes, headers: Mapping[str, bytes]) -> str | None:
    """Return one line about a chunk of sound; None if it is none."""
    if "audio_encoding" not in headers and file_encoding(value) is None:
        return None
    try:
        chunk = AudioCodec().decode(value, headers)
    except InputError as error:
        return f"[sound that can't be read: {error}, {len(value)} bytes]"
    assert isinstance(chunk, AudioChunk)
    rate = f", {chunk.sample_rate_hz} Hz" if chunk.sample_rate_hz else ""
    number = f", number {chunk.sequence}" if chunk.sequence >= 0 else ""
    end = ", end of the stream" if chunk.is_end else ""
    return f"[{chunk.encoding}{rate}, {len(value)} bytes{number}{end}]"


def json_ready(value: Any) -> Any:
    """Return a decoded value in which each `bytes` is replaced by its kind and size."""
    if isinstance(value, bytes):
        return f"[{image_content_type(value) or 'binary'}, {len(value)} bytes]"
    if isinstance(value, dict):
        return {str(json_ready(name)): json_ready(item) for name, item in value.items()}
    return [json_ready(item) for item in value] if isinstance(value, list) else value


def _source_and_time(headers: dict[str, bytes]) -> str:
    """Return an event's source and time from its headers; "" if they name no source."""
    try:
        attributes = read_attributes(headers)
    except SchemaError:
        return ""
    time = f" {clock_time(attributes.event_time_ms)}" if attributes.event_time_ms else ""
    return f"{attributes.source_id}{time}  " if attributes.source_id else ""


def describe_result(result: Result) -> str:
    """Return one line about a result; not yet escaped."""
    source = result.source_id or "?"
    if result.event_time_ms:
        source += f" {clock_time(result.event_time_ms)}"
    return f"{source}  {_DESCRIBE[type(result)](result)}"


def clock_time(time_ms: int) -> str:
    """Return the time of day in UTC, `12:00:01.250`; the bare number beyond year 9999."""
    try:
        return rfc3339(time_ms)[11:23].decode()
    except (ValueError, OverflowError, OSError):
        return str(time_ms)


def _decode(value: bytes, headers: dict[str, bytes], result_type: type[R]) -> R:
    if RESULT_HEADER in headers and result_type is SpokenAudio:
        return cast(R, read_result(value, headers))
    if b"msgpack" in headers.get("content-type", b""):
        return msgspec.msgpack.decode(value, type=result_type)
    return msgspec.json.decode(value, type=result_type)


def _detections(result: Detections) -> str:
    detections = result.detections
    if not detections:
        return "no objects"
    counts = Counter(detection.label for detection in detections)
    objects = ", ".join(_counted(label, count) for label, count in counts.most_common())
    return f"{objects} (best score {max(d.score for d in detections):.2f})"


def _counted(label: str, count: int) -> str:
    if count == 1:
        return f"1 {label}"
    if label.endswith("person"):
        return f"{count} {label.removesuffix('person')}people"
    return f"{count} {label}{'es' if label.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def _classification(result: Classification) -> str:
    others = ", ".join(
        f"{c.label} {c.score:.2f}" for c in result.top if c.class_id != result.class_id
    )
    return f"{result.label} ({result.score:.2f})" + (f", or {others}" if others else "")


def _segmentation(result: Segmentation) -> str:
    pixels = max(result.width * result.height, 1)
    areas: Counter[str] = Counter()
    for region in result.regions:
        areas[region.label] += region.area
    shares = ", ".join(f"{label} {area / pixels:.1%}" for label, area in areas.most_common())
    return shares or "no regions"


def _nlu(result: NluResult) -> str:
    others = ", ".join(f"{a.intent} {a.score:.2f}" for a in result.alternatives[:2])
    return f"{result.intent} ({result.score:.2f})" + (f", or {others}" if others else "")


def _entities(result: TextEntities) -> str:
    mentions = [f"{e.label} {e.text!r} ({e.score:.2f})" for e in result.entities]
    return ", ".join(mentions) or "no entities"


def _labels(result: TextLabels) -> str:
    near = ", ".join(f"{one.label} {one.similarity:.2f}" for one in result.labels[:3])
    return f"{result.label or 'no label'} (cosines: {near})"


def _embedding(result: TextEmbedding) -> str:
    return f"vector of {_counted('number', result.dimension)}"


def _understanding(result: TextUnderstanding) -> str:
    parts = []
    if result.intent is not None:
        parts.append(_nlu(NluResult(intent=result.intent, score=result.score or 0.0)))
    if result.labels is not None:
        parts.append(f"label {result.label or 'none'}")
    if result.entities is not None:
        parts.append(_entities(TextEntities(entities=result.entities)))
    if result.embedding is not None:
        parts.append(f"vector of {_counted('number', len(result.embedding))}")
    return "; ".join(parts)


def _anomaly(result: AnomalyScore) -> str:
    if not result.is_scored:
        return "not scored"
    words = f"{'ANOMALY' if result.is_anomaly else 'normal'} {result.score:.2f}"
    words += f" (threshold {result.threshold:.2f})"
    if result.channel:
        words += f" in {result.channel}"
    if len(result.contributions) > 1:
        top = max(result.contributions, key=result.contributions.__getitem__)
        share = f"{result.contributions[top]:.0%}"
        words += f" ({share})" if top == result.channel else f", {share} by {top}"
    return words if result.expected is None else f"{words}, expected {result.expected:.4g}"


def _assignment(result: ClusterAssignment) -> str:
    if result.cluster_id < 0:
        return "no cluster"
    return f"cluster {result.cluster_id}, {result.distance:.2f} from its center"


def _update(result: ClusterUpdate) -> str:
    words = f"{result.agent}[{result.partition}] step {result.sequence}: "
    if not result.clusters:
        return words + "no clusters"
    heaviest = max(result.clusters, key=lambda cluster: cluster.weight)
    center = list(heaviest.center.items())[:_NUM_FEATURES_SHOWN]
    where = ", ".join(f"{name} {value:.4g}" for name, value in center)
    return (
        f"{words}{_counted('cluster', len(result.clusters))}, heaviest {heaviest.cluster_id} "
        f"(weight {heaviest.weight:.1f}) at {where}"
    )


def _global_cluster(result: GlobalCluster) -> str:
    words = f"global cluster {result.global_id} {result.status}"
    if result.status == "died":
        return words + (f", now part of {result.into_id}" if result.into_id >= 0 else "")
    origins = ", ".join(map(str, result.from_ids))
    return (
        f"{words}{' from ' if origins else ''}{origins}: weight {result.weight:.1f}, "
        f"{_counted('member', len(result.members))}"
    )


def _item_summary(result: ItemSummary) -> str:
    words = f"{result.agent} partition {result.partition}: "
    words += (
        f"{_counted('interaction', len(result.weights))} with {_counted('item', len(result.items))}"
    )
    changed = len(result.removed) + len(result.restored)
    return words + (f", {changed} removed or restored" if changed else "")


def _recommendation(result: Recommendation) -> str:
    items = ", ".join(item.item for item in result.items[:_NUM_FEATURES_SHOWN])
    more = len(result.items) - _NUM_FEATURES_SHOWN
    who = " (nothing known of the user)" if result.is_cold else ""
    return f"next: {items or 'nothing'}{f' and {more} more' if more > 0 else ''}{who}"


def _scene_event(result: SceneEvent) -> str:
    words = f"{result.label} {result.track_id} "
    counts = ", ".join(_counted(label, count) for label, count in result.counts.items()) or "none"
    if result.kind == "line_crossed":
        way = result.direction.replace("_", " ")
        return f"{words}crossed {result.place} from {way} (so far {counts})"
    if result.kind == "zone_entered":
        return f"{words}entered {result.place} (now {counts})"
    return f"{words}left {result.place} after {result.dwell_ms / 1000:.1f} s (now {counts})"


def _drift(result: DriftEvent) -> str:
    return (
        f"{result.channel} went from {result.before:.4g} to {result.after:.4g} "
        f"(spread {result.spread:.2g}, noticed by {result.method})"
    )


def _source_event(result: SourceEvent) -> str:
    seconds = f"{result.seconds:.1f} s"
    subject = f"{result.subject}/{result.channel}" if result.channel else result.subject
    if result.kind == "silent":
        return f"{subject} is silent for {seconds} (allowed {result.allowed_seconds:.1f} s)"
    if result.kind == "back":
        return f"{subject} is back after {seconds}"
    return f"{result.subject} sent an event that is {seconds} older than its last"


def _feedback(result: FeedbackCopy) -> str:
    return f"label {result.label!r} of {result.answer or result.about}"


def _transcript(result: Transcript) -> str:
    notes = ", ".join(f"{note.kind} {note.count}" for note in result.notes)
    state = "said" if result.is_final else "so far"
    return f"utterance {result.utterance} {state}: {result.text!r}{f' ({notes})' if notes else ''}"


def _speech(result: SpokenAudio) -> str:
    notes = ", ".join(result.notes)
    seconds = f"{result.duration_ms / 1000:.1f} s of speech at {result.sample_rate_hz} Hz"
    return f"{seconds}: {result.text!r}{f' ({notes})' if notes else ''}"


def _transliteration(result: Transliteration) -> str:
    others = ", ".join(f"{a.text} {a.score:.2f}" for a in result.alternatives[:2])
    return f"{result.text} ({result.score:.2f})" + (f", or {others}" if others else "")


def _alert(result: AlertText) -> str:
    return f"to say: {result.text!r}"


def _dead_letter(topic: str, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> str:
    try:
        letter = DeadLetter.from_headers(headers)
        value = original_value(letter, value or b"")
    except (KeyError, ValueError):
        return f"dead letter on {topic} whose error headers can't be read"
    origin = letter.origin
    size = letter.full_bytes if letter.full_bytes >= 0 else len(value)
    return (
        f"{origin.topic}[{origin.partition}] offset {origin.offset}  {letter.reason}: "
        f"{letter.message} ({letter.exception} in {letter.agent}, {size} bytes)"
    )


_DESCRIBE: dict[type[Result], Callable[[Any], str]] = {
    Detections: _detections,
    Classification: _classification,
    Segmentation: _segmentation,
    NluResult: _nlu,
    TextEmbedding: _embedding,
    TextEntities: _entities,
    TextLabels: _labels,
    TextUnderstanding: _understanding,
    AnomalyScore: _anomaly,
    ClusterAssignment: _assignment,
    ClusterUpdate: _update,
    GlobalCluster: _global_cluster,
    ItemSummary: _item_summary,
    SceneEvent: _scene_event,
    Recommendation: _recommendation,
    DriftEvent: _drift,
    SourceEvent: _source_event,
    FeedbackCopy: _feedback,
    Transcript: _transcript,
    SpokenAudio: _speech,
    Transliteration: _transliteration,
    AlertText: _alert,
}
_TYPES: dict[str, type[Result]] = {
    type_name(cls): cls for cls in cast(list[type[Result]], list(RESULT_TYPES.values()))
}
