"""Trace contexts of records: what counts as sampled, and how it goes on to results."""

from __future__ import annotations

from typing import Any

import pytest

from streams.batching import Chunk
from streams.kafka.record_format import encode_headers
from streams.offsets import OffsetTracker
from streams.trace_context import pass_on, sampled_context, sampled_contexts
from tests.fakes import record_batch

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{_TRACE}-{_SPAN}-01".encode()
UNSAMPLED = f"00-{_TRACE}-{_SPAN}-00".encode()


def test_a_sampled_context_is_read_with_its_state() -> None:
    headers = [("a", b"x"), ("traceparent", SAMPLED), ("tracestate", b"vendor=1")]
    context = sampled_context(headers)
    assert context is not None
    assert (context.trace_id, context.span_id) == (int(_TRACE, 16), int(_SPAN, 16))
    assert context.headers == headers[1:]


@pytest.mark.parametrize(
    "value",
    [
        UNSAMPLED,
        b"",
        SAMPLED[:-1],
        SAMPLED + b"-more",
        SAMPLED.upper(),
        b"ff" + SAMPLED[2:],
        f"00-{'0' * 32}-{_SPAN}-01".encode(),
        f"00-{_TRACE}-{'0' * 16}-01".encode(),
        "00-é".encode(),
    ],
)
def test_unsampled_and_invalid_contexts_are_none(value: bytes) -> None:
    assert sampled_context([("traceparent", value)]) is None


def test_a_later_version_may_have_more_fields_and_flags() -> None:
    assert sampled_context([("traceparent", b"01" + SAMPLED[2:-2] + b"03-more")]) is not None


def chunk_with(headers: list[Any]) -> Chunk[Any]:
    batch = record_batch([b"1"] * len(headers), tracker=OffsetTracker())
    batch.headers = headers
    return Chunk(batch, range(len(headers)), ["event"] * len(headers))


def test_only_sampled_records_of_a_chunk_are_found() -> None:
    traced = [("traceparent", SAMPLED)]
    chunk = chunk_with([(), traced, [("traceparent", UNSAMPLED)], traced])
    assert [position for position, _ in sampled_contexts(chunk)] == [1, 3]
    picked = chunk.pick([0, 3])  # positions are those of the events, not rows of the batch
    assert [position for position, _ in sampled_contexts(picked)] == [1]
    assert list(sampled_contexts(chunk_with([(), ()]))) == []


def test_the_context_is_added_to_the_result_s_encoded_headers() -> None:
    own: list[tuple[str, bytes | None]] = [("ce_id", b"t:0:1"), ("penstock_timing", b"x" * 200)]
    further = [("traceparent", SAMPLED), ("tracestate", b"vendor=1")]
    encoded = [encode_headers(own), encode_headers(own)]
    pass_on(chunk_with([(), further]), encoded)
    assert encoded == [encode_headers(own), encode_headers([*own, *further])]
