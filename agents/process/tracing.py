"""Send traces by OTLP, if the usual environment variables of OpenTelemetry ask for it.

`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` switch it on;
`OTEL_SDK_DISABLED=true` and `OTEL_TRACES_EXPORTER=none` switch it off. OpenTelemetry's SDK itself
reads the others: headers, certificates, timeouts, the limits of its queue, `OTEL_SERVICE_NAME`,
`OTEL_RESOURCE_ATTRIBUTES`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streams.trace_context import BatchTracer

logger = logging.getLogger(__name__)

#: Makes the tracer of an agent from its name, its model's name and its input topics.
MakeTracer = Callable[[str, str, Sequence[str]], BatchTracer]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def is_tracing_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment asks for traces."""
    is_off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    )
    return not is_off and any(environment.get(name) for name in _ENDPOINTS)


def make_tracing(
    group: str, version: str, environment: Mapping[str, str] = os.environ
) -> MakeTracer | None:
    """Start to send traces; None if the environment does not ask for it, or packages are absent.

    Args:
        group: the consumer group.
        version: of Penstock.
        environment: the process's variables.
    """
    if not is_tracing_wanted(environment):
        return None
    try:
        provider = _start_provider(version, environment)
        from streams.otel import OtelTracer
    except ImportError as error:
        logger.warning(
            "no traces are sent, although the environment asks for them: %s: pip install "
            "'penstock[tracing]'", error,
        )  # fmt: skip
        return None
    tracer = provider.get_tracer("penstock", version)
    return lambda agent, model, topics: OtelTracer(tracer, agent, model, topics, group)


def _start_provider(version: str, environment: Mapping[str, str]) -> Any:
    """Return a provider that sends spans from a thread of its own, in batches."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    attributes = {"service.version": version}
    if "OTEL_SERVICE_NAME" not in environment:
        attributes["service.name"] = "penstock"
    provider = TracerProvider(resource=Resource.create(attributes))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
