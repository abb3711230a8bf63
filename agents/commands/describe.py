"""Records in words: one line each, for people at a terminal.

Whatever came from outside is escaped (`printable`), so that no record can send control sequences
to a terminal. The lines hold no markup: give them to rich as `rich.text.Text`, never as `str`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from agents.commands.describe_bytes import in_general
from agents.errors import printable
from schemas import (
    RESULT_TYPES,
    AnomalyScore,
    ClusterAssignment,
    ClusterUpdate,
    DeadLetter,
    Detections,
    NluResult,
    Result,
    SchemaError,
)
from schemas.cloudevents import read_attributes, rfc3339, type_name
from schemas.dead_letter import ERROR_PREFIX

R = TypeVar("R", bound=Result)

_NUM_FEATURES_SHOWN = 3


def describe_record(topic: str, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> str:
    """Return one line about a record: its result in words, or what it holds in general.

    Args:
        topic: that it is from.
        value: its bytes; None is a tombstone.
        headers: in the record's order; `ce_type` and `content-type` say how to read the value.
    """
    if any(name == f"{ERROR_PREFIX}reason" for name, _ in headers):
        return printable(_dead_letter(topic, value, headers))
    found = dict(headers)
    result_type = _TYPES.get(found.get("ce_type", b"").decode("utf-8", "replace"))
    if value and result_type is not None:
        try:
            return printable(result_in_words(_decode(value, found, result_type)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # Not what its header says it is: told in general, like any other value.
    return printable(_who(found) + in_general(value, found))


def _who(headers: dict[str, bytes]) -> str:
    """Return who sent an event and when, if its headers say so."""
    try:
        sent = read_attributes(headers)
    except SchemaError:
        return ""
    time = f" {clock_time(sent.event_time_ms)}" if sent.event_time_ms else ""
    return f"{sent.source_id}{time}  " if sent.source_id else ""


def result_in_words(result: Result) -> str:
    """Return one line about a result; not yet escaped."""
    who = result.source_id or "?"
    if result.event_time_ms:
        who += f" {clock_time(result.event_time_ms)}"
    return f"{who}  {_WORDS[type(result)](result)}"


def clock_time(time_ms: int) -> str:
    """Return the time of day in UTC, `12:00:01.250`; the bare number beyond year 9999."""
    try:
        return rfc3339(time_ms)[11:23].decode()
    except (ValueError, OverflowError, OSError):
        return str(time_ms)


def _decode(value: bytes, headers: dict[str, bytes], result_type: type[R]) -> R:
    if b"msgpack" in headers.get("content-type", b""):
        return msgspec.msgpack.decode(value, type=result_type)
    return msgspec.json.decode(value, type=result_type)


def _detections(result: Detections) -> str:
    found = result.detections
    if not found:
        return "nothing found"
    counts = Counter(detection.label for detection in found)
    things = ", ".join(_counted(label, count) for label, count in counts.most_common())
    return f"{things} ({max(d.score for d in found):.2f} best)"


def _counted(label: str, count: int) -> str:
    if count == 1:
        return f"1 {label}"
    if label.endswith("person"):
        return f"{count} {label.removesuffix('person')}people"
    return f"{count} {label}{'es' if label.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def _nlu(result: NluResult) -> str:
    others = ", ".join(f"{a.intent} {a.score:.2f}" for a in result.alternatives[:2])
    return f"{result.intent} ({result.score:.2f})" + (f", or {others}" if others else "")


def _anomaly(result: AnomalyScore) -> str:
    words = f"{'ANOMALY' if result.is_anomaly else 'normal'} {result.score:.2f}"
    words += f" (cut {result.threshold:.2f})"
    if result.channel:
        words += f" in {result.channel}"
    return words if result.expected is None else f"{words}, expected {result.expected:.4g}"


def _assignment(result: ClusterAssignment) -> str:
    if result.cluster_id < 0:
        return "no cluster yet"
    return f"cluster {result.cluster_id}, {result.distance:.2f} from its centre"


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


def _dead_letter(topic: str, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> str:
    try:
        letter = DeadLetter.from_headers(headers)
    except (KeyError, ValueError):
        return f"dead letter on {topic} whose error headers can't be read"
    origin = letter.origin
    size = letter.full_bytes if letter.full_bytes >= 0 else len(value or b"")
    return (
        f"{origin.topic}[{origin.partition}] offset {origin.offset}  {letter.reason}: "
        f"{letter.message} ({letter.exception} in {letter.agent}, {size} bytes)"
    )


_WORDS: dict[type[Result], Callable[[Any], str]] = {
    Detections: _detections,
    NluResult: _nlu,
    AnomalyScore: _anomaly,
    ClusterAssignment: _assignment,
    ClusterUpdate: _update,
}
_TYPES: dict[str, type[Result]] = {
    type_name(cls): cls for cls in cast(list[type[Result]], list(RESULT_TYPES.values()))
}
