"""Event times in another unit than milliseconds, in a worker that drops what is too old."""

from __future__ import annotations

import json
import time
from pathlib import Path

import yaml
from confluent_kafka import Producer

from streams.event_times import MAX_EVENT_TIME_MS
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.pipelines import Pipeline
from tests.integration.workers import running_worker

NUM_EACH = 20


def send(pipeline: Pipeline, now: float) -> None:
    """Publish events with times in four units, and with Kafka's timestamp in nanoseconds alone."""
    producer = Producer({"bootstrap.servers": pipeline.bootstrap})
    for i in range(NUM_EACH):
        for unit in (1, 1000, 1_000_000):
            value = json.dumps({"x": 100 + i, "event_time_ms": int(now * unit)})
            producer.produce(pipeline.input, value, f"k{i}")
        producer.produce(pipeline.input, b'{"x": 50}', f"k{i}", timestamp=int(now * 1e9))
    assert producer.flush(30) == 0


def test_latest_gives_up_no_event_for_its_unit(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    settings = pipeline.settings()
    agent = settings["agents"]["double"]
    agent |= {"input": f"{pipeline.input}.any", "overload": "latest", "deadline_seconds": 60}
    agent["dead_letters"], output = pipeline.dead_letters, pipeline.output
    pipeline.config.write_text(yaml.safe_dump(settings))
    pipeline.name = agent["input"]
    timestamps = {"message.timestamp.after.max.ms": str(2**63 - 1)}  # the default before Kafka 4
    create_topics(pipeline.kafka, {pipeline.input: TopicSettings(config=timestamps)})
    now = time.time()
    send(pipeline, now)
    with running_worker(pipeline.config, log_folder=tmp_path) as worker:
        worker.await_finished(4 * NUM_EACH)
        labels = frozenset({"agent": "double", "topic": pipeline.input}.items())
        counted = worker.metrics()["penstock_implausible_event_times_total", labels]
        worker.stop()
        log = worker.log_text()
    assert counted == 3 * NUM_EACH
    assert log.count("implausible event time") == 1
    results = [json.loads(message.value() or b"") for message in pipeline.read(output)]
    times = [result["event_time_ms"] for result in results]
    assert len(times) == 4 * NUM_EACH
    assert max(times) <= MAX_EVENT_TIME_MS
    assert times.count(int(now)) == times.count(0) == NUM_EACH
