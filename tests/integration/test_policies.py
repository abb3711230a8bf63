"""Several inputs and deadlines in a worker process, against both brokers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Producer

from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.running import Pipeline

_MODEL = """
import time
from models.base import Model
from schemas import Event

class Number(Event, frozen=True, kw_only=True):
    x: float

class Doubling(Model):
    name, event_type = "doubling", Number

    def __init__(self, batch_seconds: float = 0.0):
        self.batch_seconds = batch_seconds

    def predict_batch(self, batch):
        time.sleep(self.batch_seconds)
        return [{"y": 2 * event.x} for event in batch]
"""


class Policies(Pipeline):
    """The usual pipeline with a second, less urgent input, and whatever else is asked for."""

    more: dict[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "doubling.py").write_text(_MODEL)
        wanted = TopicSettings(partitions=self.partitions)
        create_topics(self.kafka, {self.low: wanted, f"{self.low}.dlq": wanted})

    @property
    def low(self) -> str:
        return f"{self.name}.low"

    def set(self, **more: Any) -> None:
        """Change the agent's settings; a mapping is merged."""
        settings = self.settings()
        agent = settings["agents"]["double"]
        agent["input"] = [self.input, self.low]
        for key, value in more.items():
            agent[key] = {**agent.get(key, {}), **value} if isinstance(value, dict) else value
        self.config.write_text(yaml.safe_dump(settings))

    def send(self, topic: str, xs: range, age: float = 0.0, **more: Any) -> None:
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "enable.idempotence": True}
        )
        at = int((time.time() - age) * 1000)
        for x in xs:
            value = json.dumps({"x": x, "event_time_ms": at, **more}).encode()
            producer.produce(topic, value, f"key-{x % 8}")
            producer.poll(0)
        assert producer.flush(30) == 0


def results_of(pipeline: Policies, topic: str) -> list[tuple[int, int, float]]:
    """Partition, offset and answer of the results for one input, as they stand."""
    values = [json.loads(message.value() or b"") for message in pipeline.read(pipeline.output)]
    return [
        (value["origin"]["partition"], value["origin"]["offset"], value["y"])
        for value in values
        if value["origin"]["topic"] == topic
    ]


def wait_for(pipeline: Policies, topic: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(results_of(pipeline, topic)) < count:
        assert time.monotonic() < deadline, len(results_of(pipeline, topic))
        time.sleep(0.2)


def test_an_urgent_topic_overtakes_a_backlog_of_another(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Policies(tmp_path, bootstrap, batch_seconds=0.02)
    pipeline.set(batch={"max_batch_size": 16})
    pipeline.send(pipeline.low, range(20_000))
    with pipeline.worker() as worker:
        wait_for(pipeline, pipeline.low, 100)
        pipeline.send(pipeline.input, range(64))
        wait_for(pipeline, pipeline.input, 64)
        answered_low = len(results_of(pipeline, pipeline.low))
        assert answered_low < 20_000
        assert worker.stop() == 0, worker.log.read_text()
    for topic in (pipeline.input, pipeline.low):
        by_partition: dict[int, list[int]] = {}
        for partition, offset, _ in results_of(pipeline, topic):
            by_partition.setdefault(partition, []).append(offset)
        assert all(offsets == sorted(offsets) for offsets in by_partition.values())


def test_a_backlog_of_old_events_is_skipped(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Policies(tmp_path, bootstrap, batch_seconds=0.5)
    pipeline.set(overload="latest", deadline_seconds=30)
    pipeline.send(pipeline.input, range(20_000), age=3600)
    pipeline.send(pipeline.input, range(40))
    with pipeline.worker() as worker:
        wait_for(pipeline, pipeline.input, 40)
        accounts = worker.accounts()
        assert worker.stop() == 0, worker.log.read_text()
    assert accounts["filtered"] == 20_000
    assert sorted(y for _, _, y in results_of(pipeline, pipeline.input)) == [
        2.0 * x for x in range(40)
    ]
    assert sum(pipeline.committed().values()) == 20_040
