"""Spans of micro-batches, sent by OpenTelemetry: one a batch, with links to its records' traces.

Where no record of a micro-batch is sampled, there is no span, and nothing of OpenTelemetry runs.
Attributes follow its conventions for messaging where there are some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace import TraceFlags as Flags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streams.batching import MicroBatch
from streams.trace_context import TRACESTATE, TraceContext, sampled_contexts

#: OpenTelemetry's own limit of links of a span.
_MAX_LINKS = 128


class OtelTracer:
    """Begins the spans of one agent."""

    def __init__(self, tracer: Any, agent: str, model: str, topics: Sequence[str], group: str):
        """Make no span yet.

        Args:
            tracer: OpenTelemetry's.
            agent: its name.
            model: its model's name.
            topics: its inputs.
            group: the consumer group.
        """
        self._tracer = tracer
        self._name = f"process {agent}"
        self._attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "predict",
            "messaging.consumer.group.name": group,
            "messaging.destination.name": ",".join(topics),
            "penstock.agent": agent,
            "penstock.model": model,
        }

    def begin(self, batch: MicroBatch[Any]) -> OtelSpan | None:
        """Begin a micro-batch's span; None if none of its records is sampled."""
        contexts = [context for chunk in batch.chunks for _, context in sampled_contexts(chunk)]
        if not contexts:
            return None
        attributes = {
            **self._attributes,
            "messaging.batch.message_count": len(batch),
            "penstock.sampled_records": len(contexts),
        }
        span = self._tracer.start_span(
            self._name,
            kind=SpanKind.CONSUMER,
            links=[_link(context) for context in contexts[:_MAX_LINKS]],
            attributes=attributes,
        )
        return OtelSpan(span)


class OtelSpan:
    """The span of one micro-batch."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def stage(self, name: str, seconds: float) -> None:
        """Note how long a stage took."""
        self._span.set_attribute(f"penstock.{name}_seconds", seconds)

    def end(self, num_dead_letters: int, error: BaseException | None = None) -> None:
        """End the span; dead letters or an error make it a failed one."""
        if num_dead_letters:
            self._span.set_attribute("penstock.dead_letters", num_dead_letters)
            self._span.set_status(Status(StatusCode.ERROR, f"{num_dead_letters} dead letters"))
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()


def _link(context: TraceContext) -> Link:
    """Return a link to the span in which a record was sent."""
    carrier = {name: value.decode("ascii", "replace") for name, value in context.headers}
    state = None
    if TRACESTATE in carrier:
        extracted = TraceContextTextMapPropagator().extract(carrier)
        for value in extracted.values():
            if isinstance(value, NonRecordingSpan):
                state = value.get_span_context().trace_state
    flags = Flags(Flags.SAMPLED)
    return Link(SpanContext(context.trace_id, context.span_id, True, flags, state))
