"""Several inputs and deadlines in a worker process, on both brokers."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Producer

from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.pipelines import Pipeline
from tests.waiting import wait_for_count

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
    """The doubling pipeline with a second, less urgent input."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "doubling.py").write_text(_MODEL)
        wanted = TopicSettings(partitions=self.partitions)
        create_topics(self.kafka, {self.low: wanted, f"{self.low}.dlq": wanted})

    @property
    def low(self) -> str:
        return f"{self.name}.low"

    def set(self, **changes: Any) -> None:
        """Change the agent's settings; a mapping is merged with what is there."""
        settings = self.settings()
        agent = settings["agents"]["double"]
        agent["input"] = [self.input, self.low]
        for key, value in changes.items():
            agent[key] = {**agent.get(key, {}), **value} if isinstance(value, dict) else value
        self.config.write_text(yaml.safe_dump(settings))

    def send(self, topic: str, xs: range, age_seconds: float = 0.0) -> None:
        """Publish events of that age."""
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "enable.idempotence": True}
        )
        event_time_ms = int((time.time() - age_seconds) * 1000)
        for x in xs:
            value = json.dumps({"x": x, "event_time_ms": event_time_ms}).encode()
            producer.produce(topic, value, f"key-{x % 8}")
            producer.poll(0)
        assert producer.flush(30) == 0


def results_of(pipeline: Policies, topic: str) -> list[tuple[int, int, float]]:
    """Partition, offset and answer of the results for one input, in the order of the topic."""
    values = [json.loads(message.value() or b"") for message in pipeline.read(pipeline.output)]
    return [
        (value["origin"]["partition"], value["origin"]["offset"], value["y"])
        for value in values
        if value["origin"]["topic"] == topic
    ]


def await_results(pipeline: Policies, topic: str, count: int) -> None:
    """Wait until `count` records of an input topic have a result."""
    what = f"results for {topic}"
    wait_for_count(what, lambda: len(results_of(pipeline, topic)), count, timeout=60)


def assert_in_offset_order(results: list[tuple[int, int, float]]) -> None:
    """The results of each input partition are in the order of their offsets."""
    offsets_of: dict[int, list[int]] = defaultdict(list)
    for partition, offset, _ in results:
        offsets_of[partition].append(offset)
    for partition, offsets in offsets_of.items():
        assert offsets == sorted(offsets), f"partition {partition}"


def test_an_urgent_topic_overtakes_a_backlog_of_another(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Policies(tmp_path, bootstrap, batch_seconds=0.02)
    pipeline.set(batch={"max_batch_size": 16})
    pipeline.send(pipeline.low, range(20_000))
    with pipeline.worker() as worker:
        await_results(pipeline, pipeline.low, 100)
        pipeline.send(pipeline.input, range(64))
        await_results(pipeline, pipeline.input, 64)
        answered_low = len(results_of(pipeline, pipeline.low))
        assert answered_low < 20_000, "the backlog was finished first"
        worker.stop()
    for topic in (pipeline.input, pipeline.low):
        assert_in_offset_order(results_of(pipeline, topic))


def test_a_backlog_of_old_events_is_skipped(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Policies(tmp_path, bootstrap, batch_seconds=0.5)
    pipeline.set(overload="latest", deadline_seconds=30)
    pipeline.send(pipeline.input, range(20_000), age_seconds=3600)
    pipeline.send(pipeline.input, range(40))
    with pipeline.worker() as worker:
        await_results(pipeline, pipeline.input, 40)
        accounts = worker.accounts()
        worker.stop()
    assert accounts["filtered"] == 20_000
    assert sorted(y for _, _, y in results_of(pipeline, pipeline.input)) == [
        2.0 * x for x in range(40)
    ]
    assert sum(pipeline.committed().values()) == 20_040
