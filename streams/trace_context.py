"""The W3C trace context of records: which are sampled, and how it goes on to their results.

A producer that traces puts a `traceparent` into a record's headers, with a flag that says whether
its trace is sampled. Only sampled records are looked at further: they are linked to the span of
their micro-batch, and their results carry the same headers, so that a consumer's spans belong to
the producer's trace. Source: W3C Trace Context, levels 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka.record.util import decode_varint

from streams.batching import Chunk, MicroBatch
from streams.kafka.record_format import encode_header, varint
from streams.records import Headers

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
#: Version 00 in full; of a later version, the same fields and then more.
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_INVALID_VERSION = b"ff"
#: Of the flags, two hexadecimal digits, the lowest bit says whether the trace is sampled.
_LAST_FLAG, _NOT_SAMPLED = 54, frozenset(b"02468ace")


class TraceContext(NamedTuple):
    """The context of one sampled record."""

    trace_id: int
    span_id: int
    headers: list[tuple[str, bytes]]
    """`traceparent`, and `tracestate` if there is one, as the record has them."""


class BatchSpan(Protocol):
    """The span of a micro-batch of which at least one record is sampled."""

    def stage(self, name: str, seconds: float) -> None:
        """Note how long a stage took."""
        ...

    def end(self, num_dead_letters: int, error: BaseException | None = None) -> None:
        """End the span: its results are on their way, or could not be sent."""
        ...


class BatchTracer(Protocol):
    """Begins the spans of one agent."""

    def begin(self, batch: MicroBatch[Any]) -> BatchSpan | None:
        """Begin a micro-batch's span; None if none of its records is sampled."""
        ...


def sampled_context(headers: Headers) -> TraceContext | None:
    """Return a record's trace context if it has one that is valid and sampled."""
    parent = state = None
    for name, value in headers:
        if name == TRACEPARENT:
            parent = value
        elif name == TRACESTATE:
            state = value
    # First of all what is usual: no context, or one that is not sampled.
    if parent is None or len(parent) <= _LAST_FLAG or parent[_LAST_FLAG] in _NOT_SAMPLED:
        return None
    if not (match := _TRACEPARENT.fullmatch(parent)):
        return None
    version, trace, span, rest = match.groups()
    if version == _INVALID_VERSION or (version == b"00" and rest):
        return None
    trace_id, span_id = int(trace, 16), int(span, 16)
    if not (trace_id and span_id):
        return None
    kept = [(TRACEPARENT, parent)] + ([(TRACESTATE, state)] if state else [])
    return TraceContext(trace_id, span_id, kept)


def sampled_contexts(chunk: Chunk[Any]) -> Iterator[tuple[int, TraceContext]]:
    """Yield position and context of each event of a chunk whose record is sampled."""
    headers = chunk.batch.headers
    if not any(headers):  # as usual: no record has any header
        return
    for position, row in enumerate(chunk.rows):
        if headers[row] and (context := sampled_context(headers[row])) is not None:
            yield position, context


def pass_on(chunk: Chunk[Any], encoded: list[bytes]) -> None:
    """Add the trace context of each sampled record to the encoded headers of its result.

    Args:
        chunk: n events, each the only one of its record.
        encoded: n results' headers in Kafka's format; changed.
    """
    for position, context in sampled_contexts(chunk):
        encoded[position] = _with_headers(encoded[position], context.headers)


def _with_headers(encoded: bytes, more: Sequence[tuple[str, bytes]]) -> bytes:
    count, start = decode_varint(encoded, 0)
    added = b"".join(encode_header(*header) for header in more)
    return varint(count + len(more)) + encoded[start:] + added
