"""Events, and labels on a feedback topic, through Kafka: a kill changes no answer and no state.

The reference is the model itself, driven over the input topic as it was written: events from the
producer, labels copied there by the relay, in the order of offsets.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from models.forests.adaptive_random_forest import AdaptiveRandomForest
from schemas import Event, Feedback, SensorReading, make_codec
from schemas.side_records import side_type
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from streams.state.topic_store import TOPIC_CONFIG
from tests.integration.workers import running_worker
from tests.waiting import wait_for_count

_PARTITIONS = 4  # as many as the embedded broker gives every topic
_NUM_EVENTS = 1500
_OPTIONS = {"num_trees": 3, "learn_every": 16, "max_waiting": 400}


class Pipeline:
    """A relay and a forest, with topics of their own."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.kafka = {"bootstrap.servers": bootstrap}
        self.name = f"labels-{uuid.uuid4().hex[:8]}"
        self.input, self.output = f"{self.name}.in", f"{self.name}.out"
        self.feedback = f"{self.name}.feedback"
        self.config = folder / "penstock.yaml"
        self.config.write_text(yaml.safe_dump(self._settings()))
        wanted = TopicSettings(partitions=_PARTITIONS)
        # The relay does not need as many partitions as the input: the id says which.
        topics = {t: wanted for t in (self.input, self.output, f"{self.input}.dlq")}
        other = TopicSettings(partitions=2)
        topics |= {t: other for t in (self.feedback, f"{self.feedback}.dlq")}
        state = TopicSettings(partitions=_PARTITIONS, config=TOPIC_CONFIG)
        create_topics(self.kafka, {**topics, f"{self.name}.learn.state": state})

    def _settings(self) -> dict[str, Any]:
        relay = {"input": self.feedback, "output": self.input, "model": "label_relay",
                 "route": "answer"}  # fmt: skip
        learn = {"input": self.input, "output": self.output, "event": "SensorReading",
                 "model": {"name": "adaptive_random_forest", "options": _OPTIONS},
                 "batch": {"max_batch_size": 37, "max_wait_seconds": 0.01}}  # fmt: skip
        return {
            "kafka": {**self.kafka, "group.id": self.name},
            "agents": {"relay": relay, "learn": learn},
            "state": {"interval_seconds": 0.3},
            "metrics": {"port": 0},
        }

    def send_events(self, first: int, stop: int) -> None:
        producer = Producer(self.kafka)
        for i in range(first, stop):
            values = {"x": float(i % 97), "y": float(i * 31 % 89)}
            producer.produce(
                self.input,
                json.dumps({"values": values}),
                key=f"k-{i % 11}",
                headers={"ce_id": f"e-{i}"},
            )
        producer.flush()

    def send_labels(self, results: list[Message]) -> None:
        """Label answers by what the event was; a few by an id that no event has."""
        producer = Producer(self.kafka)
        for result in results:
            value, headers = json.loads(result.value() or b""), dict(result.headers() or [])
            number = int(value["event_id"].removeprefix("e-"))
            label = "low" if number % 97 < 48 else "high"
            sent = {"label": label, "answer": headers["ce_id"].decode()}
            producer.produce(self.feedback, json.dumps(sent), key=result.key())
        producer.produce(self.feedback, b'{"label": "low", "about": "nobody"}', key=b"k-1")
        producer.flush()

    def num_answered(self) -> int:
        """How many events have a result; after the kill some may have two."""
        return len({json.loads(m.value() or b"")["event_id"] for m in self.read(self.output)})

    def read(self, topic: str) -> list[Message]:
        """All records of a topic, partition by partition."""
        consumer = Consumer({**self.kafka, "group.id": uuid.uuid4().hex})
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        messages: list[Message] = []
        for number in sorted(partitions):
            end = consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1]
            consumer.assign([TopicPartition(topic, number, 0)])
            while end and (not messages or not self._is_last(messages[-1], number, end)):
                if (message := consumer.poll(10)) is not None and not message.error():
                    messages.append(message)
        consumer.close()
        return messages

    @staticmethod
    def _is_last(message: Message, partition: int, end: int) -> bool:
        return bool(message.partition() == partition and (message.offset() or 0) >= end - 1)


@pytest.fixture
def pipeline(bootstrap: str, tmp_path: Path) -> Pipeline:
    return Pipeline(bootstrap, tmp_path)


def num_labels(pipeline: Pipeline) -> int:
    return sum(side_type(m.headers() or []) is Feedback for m in pipeline.read(pipeline.input))


def test_a_kill_changes_neither_answers_nor_what_was_learned(pipeline: Pipeline) -> None:
    pipeline.send_events(0, 500)
    with running_worker(pipeline.config) as worker:
        wait_for_count("answered events", pipeline.num_answered, 500, 120)
        pipeline.send_labels(pipeline.read(pipeline.output))
        wait_for_count("labels in the input", lambda: num_labels(pipeline), 300, 60)
        pipeline.send_events(500, 1000)
        worker.kill()
    with running_worker(pipeline.config) as worker:
        wait_for_count("answered events", pipeline.num_answered, 1000, 120)
        wait_for_count("labels in the input", lambda: num_labels(pipeline), 501, 60)
        pipeline.send_events(1000, _NUM_EVENTS)
        wait_for_count("answered events", pipeline.num_answered, _NUM_EVENTS, 120)
        worker.await_drained()
        metrics = worker.metrics_text()
    expected = {key: value for p in range(_PARTITIONS) for key, value in _replayed(pipeline, p)}
    actual: dict[tuple[int, int], str] = {}
    for message in pipeline.read(pipeline.output):
        value = json.loads(message.value() or b"")
        origin = (value["origin"]["partition"], value["origin"]["offset"])
        assert actual.setdefault(origin, value["label"]) == value["label"]
    assert actual == expected
    assert {"low", "high"} <= set(expected.values())
    accuracy = _metric(metrics, 'penstock_model_accuracy_ratio{agent="learn"}')
    assert 0.4 < accuracy <= 1.0
    unknown = 'penstock_model_incidents_total{agent="learn",kind="label_unknown"}'
    assert _metric(metrics, unknown) >= 0


def _replayed(pipeline: Pipeline, partition: int) -> Iterator[tuple[tuple[int, int], str]]:
    """Answer a partition of the input topic with the model alone."""
    model = AdaptiveRandomForest(**_OPTIONS)  # type: ignore[arg-type]
    log = [m for m in pipeline.read(pipeline.input) if m.partition() == partition]
    steps: dict[int, list[Message]] = {}
    for message in log:
        steps.setdefault((message.offset() or 0) // model.learn_every, []).append(message)
    for step in steps.values():
        events = [_event(message) for message in step]
        for message, answer in zip(step, model.predict_batch(events), strict=True):
            if answer is not None:
                assert not isinstance(answer, Exception)
                yield (partition, message.offset() or 0), answer.label
        model.note_offsets((pipeline.input, partition), [m.offset() or 0 for m in step])
        model.learn_batch(events)


def _event(message: Message) -> Event:
    kind = side_type(message.headers() or []) or SensorReading
    headers = dict(message.headers() or [])
    event = make_codec("json", kind).decode(message.value() or b"", headers)
    return event


def _metric(text: str, name: str) -> float:
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])
