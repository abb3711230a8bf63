"""Spans of micro-batches, by OpenTelemetry's SDK: one a batch, linked to its records' traces."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from schemas import AnomalyScore
from streams.otel import OtelTracer
from tests.fakes import Doubling, ListSink
from tests.streams.engines import Engine, engine
from tests.streams.test_trace_context import SAMPLED, UNSAMPLED


class Spans:
    """A tracer of an agent that keeps its spans."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        tracer = provider.get_tracer("test")
        self.tracer = OtelTracer(tracer, "double", "doubling", ["numbers"], "g")

    def finished(self) -> list[Any]:
        return list(self._exporter.get_finished_spans())


def parent(number: int, flags: str = "01") -> bytes:
    return f"00-{number:032x}-{number:016x}-{flags}".encode()


async def answered(engine: Engine, numbers: list[Any], headers: list[Any]) -> None:
    batch = engine.batch(numbers)
    batch.headers = headers
    await engine.inference.submit([batch])
    await engine.drained()


async def test_a_micro_batch_has_one_span_with_a_link_for_each_sampled_record() -> None:
    spans = Spans()
    headers = [[("traceparent", parent(7)), ("tracestate", b"vendor=1")], (),
               [("traceparent", parent(8, "00"))], [("traceparent", parent(9))]]  # fmt: skip
    async with engine(tracer=spans.tracer) as made:
        await answered(made, [1, 2, 3, 4], headers)
    (span,) = spans.finished()
    assert span.name == "process double"
    assert [link.context.trace_id for link in span.links] == [7, 9]
    assert [dict(link.context.trace_state) for link in span.links] == [{"vendor": "1"}, {}]
    assert span.attributes["messaging.batch.message_count"] == 4
    assert span.attributes["penstock.sampled_records"] == 2
    assert span.attributes["penstock.predict_seconds"] > 0
    assert span.status.status_code is StatusCode.UNSET
    assert span.end_time > span.start_time


async def test_a_result_carries_the_context_of_its_sampled_record_only() -> None:
    spans, sink = Spans(), ListSink()
    headers = [[("traceparent", SAMPLED)], [("traceparent", UNSAMPLED)], ()]
    async with engine(sink=sink, tracer=spans.tracer) as made:
        await answered(made, [1, 2, 3], headers)
    carried = [dict(record.headers).get("traceparent") for record in sink.topic("doubles")]
    assert carried == [SAMPLED, None, None]


class Scoring(Doubling):
    """Answers with results of one type, which are encoded by the column."""

    def predict_batch(self, batch: Any) -> Any:
        return [AnomalyScore(score=0.5, is_anomaly=event.x > 2, threshold=0.5) for event in batch]


async def test_results_that_are_encoded_by_the_column_carry_it_too() -> None:
    spans, sink = Spans(), ListSink()
    headers = [(), [("traceparent", SAMPLED), ("tracestate", b"vendor=1")], ()]
    async with engine(Scoring, sink=sink, tracer=spans.tracer) as made:
        await answered(made, [1, 2, 3], headers)
        assert made.count("penstock_anomalies_total") == 1
    carried = [dict(record.headers) for record in sink.topic("doubles")]
    assert [head.get("traceparent") for head in carried] == [None, SAMPLED, None]
    assert [head.get("tracestate") for head in carried] == [None, b"vendor=1", None]
    assert all(head["ce_type"] == b"penstock.anomaly_score.v1" for head in carried)


async def test_where_nothing_is_sampled_there_is_no_span() -> None:
    spans = Spans()
    async with engine(tracer=spans.tracer) as made:
        await answered(made, [1, 2], [(), [("traceparent", UNSAMPLED)]])
        await answered(made, [3, 4], [(), ()])
    assert spans.finished() == []


async def test_a_batch_with_dead_letters_is_a_failed_span() -> None:
    spans = Spans()
    async with engine(tracer=spans.tracer) as made:
        await answered(made, [13], [[("traceparent", SAMPLED)]])
    (span,) = spans.finished()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["penstock.dead_letters"] == 1


def test_a_span_has_at_most_as_many_links_as_opentelemetry_keeps() -> None:
    from streams.batching import MicroBatch
    from tests.streams.test_trace_context import chunk_with

    spans = Spans()
    chunk = chunk_with([[("traceparent", parent(n))] for n in range(1, 201)])
    span = spans.tracer.begin(MicroBatch([chunk], 0.0))
    assert span is not None
    span.end(0)
    (finished,) = spans.finished()
    assert len(finished.links) == 128
    assert finished.attributes["penstock.sampled_records"] == 200
