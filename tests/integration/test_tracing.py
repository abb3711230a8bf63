"""A worker sends a span for each micro-batch with sampled records to a collector, by OTLP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

pytest.importorskip("opentelemetry.proto")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_for_count


class Collector:
    """An OTLP receiver: the requests that came, decoded."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Any]:
        return [span for request in self.requests for resource in request.resource_spans
                for scope in resource.scope_spans for span in scope.spans]  # fmt: skip

    def service_names(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.requests
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }


@contextmanager
def collector() -> Iterator[Collector]:
    made = Collector()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def traceparent(trace: int, flags: str) -> bytes:
    return f"00-{trace:032x}-{trace:016x}-{flags}".encode()


def produce_traced(pipeline: Pipeline, num_records: int, num_sampled: int) -> None:
    """Write records that all have a trace context; the first ones are sampled."""
    producer = Producer({"bootstrap.servers": pipeline.bootstrap})
    for trace in range(1, num_records + 1):
        flags = "01" if trace <= num_sampled else "00"
        headers = [("traceparent", traceparent(trace, flags))]
        producer.produce(pipeline.input, number(100 + trace), f"key-{trace % 7}", headers=headers)
    assert producer.flush(30) == 0


def test_sampled_records_are_linked_and_their_results_carry_the_trace(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    with collector() as otlp:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "PENSTOCK_LOG_FORMAT": "json",
        }
        produce_traced(pipeline, 200, num_sampled=9)
        with pipeline.worker(**env) as worker:
            pipeline.await_finished(200)

            def num_linked() -> int:
                return sum(len(span.links) for span in otlp.spans())

            wait_for_count("linked records", num_linked, 9)
            worker.stop()
    linked = [int.from_bytes(link.trace_id) for span in otlp.spans() for link in span.links]
    assert sorted(linked) == list(range(1, 10)), "each sampled record once, and no other"
    assert otlp.service_names() == {"penstock"}
    carried = [
        dict(message.headers()).get("traceparent") for message in pipeline.read(pipeline.output)
    ]
    assert sorted(filter(None, carried)) == [traceparent(n, "01") for n in range(1, 10)]
    assert len(carried) == 200
    lines = [json.loads(line) for line in worker.log_text().splitlines()]
    assert {"INFO"} <= {line["level"] for line in lines}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


def test_a_collector_that_is_away_costs_no_record(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    produce_traced(pipeline, 50, num_sampled=50)
    with pipeline.worker(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as worker:
        pipeline.await_finished(50)
        worker.stop()


def test_an_error_at_the_start_is_one_line_of_json(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    pipeline.config.write_text("agents: {}\n")
    with pipeline.worker("--log-format", "json") as worker:
        log = worker.await_exit(2)
    (line,) = (json.loads(line) for line in log.splitlines())
    assert line["level"] == "ERROR"
    assert "agents" in line["message"]
