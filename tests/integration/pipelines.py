"""A pipeline file with its topics on a real broker, and ways to drive it."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import yaml
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import learning_agents, plan_topics
from schemas import DeadLetter
from streams.kafka.admin import create_topics, probe
from streams.settings import TopicSettings
from tests.integration.workers import RunningWorker, running_worker
from tests.waiting import wait_for_count, wait_until

Origin = tuple[int, int]
"""Partition and offset of an input record."""

_MODEL = '''
"""A model for tests: answers with twice x; slow, or bad at 13, if its options say so."""
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
        if any(event.x == 13 for event in batch):
            raise ArithmeticError("13 brings bad luck")
        return [{"y": 2 * event.x} for event in batch]
'''


@dataclass
class Pipeline:
    """A pipeline file of one doubling agent, its topics made, and ways to drive it."""

    folder: Path
    bootstrap: str
    partitions: int = 4
    batch_seconds: float = 0.0
    name: str = field(default_factory=lambda: f"numbers-{uuid.uuid4().hex[:8]}")
    _messages: dict[str, list[Message]] = field(default_factory=dict, init=False)
    _next_offsets: dict[str, defaultdict[int, int]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        (self.folder / "doubling.py").write_text(_MODEL)
        self.config.write_text(yaml.safe_dump(self.settings()))
        wanted = TopicSettings(partitions=self.partitions)
        topics = (self.input, self.output, self.dead_letters)
        create_topics(self.kafka, dict.fromkeys(topics, wanted))

    def settings(self) -> dict[str, Any]:
        return {
            "kafka": {**self.kafka, "group.id": self.name, "session.timeout.ms": 6000,
                      "heartbeat.interval.ms": 1000},
            "metrics": {"port": 0},
            "commit_interval_seconds": 0.2,
            "agents": {
                "double": {
                    "input": self.input,
                    "output": self.output,
                    "event": "./doubling.py:Number",
                    "model": {
                        "name": "./doubling.py:Doubling",
                        "options": {"batch_seconds": self.batch_seconds},
                    },
                    "batch": {"max_batch_size": 64, "max_wait_seconds": 0.02},
                }
            },
        }  # fmt: skip

    @property
    def kafka(self) -> dict[str, str | int | float | bool]:
        return {"bootstrap.servers": self.bootstrap}

    @property
    def config(self) -> Path:
        return self.folder / "penstock.yaml"

    @property
    def input(self) -> str:
        return self.name

    @property
    def output(self) -> str:
        return f"{self.name}.doubles"

    @property
    def dead_letters(self) -> str:
        return f"{self.name}.dlq"

    def produce(self, values: Iterable[bytes | None], num_keys: int = 20) -> int:
        """Publish values, keyed in turn; return how many."""
        # Without idempotence a retried batch overtakes: a new topic's first ones now and then.
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "enable.idempotence": True}
        )
        count = 0
        for count, value in enumerate(values, 1):
            producer.produce(self.input, key=f"key-{count % num_keys}", value=value)
            producer.poll(0)
        assert producer.flush(30) == 0
        return count

    def produce_until(
        self, what: str, condition: Callable[[], bool], values: Iterator[bytes], timeout: float = 60
    ) -> int:
        """Publish some values at a time, without a pause in the load, until a condition holds.

        Returns:
            How many values were published.
        """
        num_published = 0

        def publish_and_check() -> bool:
            nonlocal num_published
            num_published += self.produce(islice(values, 100))
            return condition()

        wait_until(what, publish_and_check, timeout)
        return num_published

    def read(self, topic: str) -> list[Message]:
        """Everything on a topic by now, in the order of each partition.

        A second call reads only what came since the first.
        """
        messages = self._messages.setdefault(topic, [])
        offsets = self._next_offsets.setdefault(topic, defaultdict(int))
        for message in self._read_from(topic, offsets):
            messages.append(message)
            offsets[message.partition() or 0] = (message.offset() or 0) + 1
        return list(messages)

    def _read_from(self, topic: str, offsets: Mapping[int, int]) -> Iterator[Message]:
        """Yield what is on a topic by now from these offsets on."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "reader", "enable.auto.commit": False}
        )
        try:
            ends = {}
            for partition in range(probe(self.kafka).topics[topic]):
                tp = TopicPartition(topic, partition)
                _, end = consumer.get_watermark_offsets(tp, timeout=10)
                if end > offsets[partition]:
                    ends[partition] = end
            consumer.assign([TopicPartition(topic, p, offsets[p]) for p in ends])
            while ends:
                message = consumer.poll(10)
                assert message is not None, f"{topic}: no record in 10 s, expected up to {ends}"
                if message.error() is None:
                    yield message
                    if (message.offset() or 0) + 1 >= ends.get(message.partition(), 0):
                        ends.pop(message.partition(), None)
        finally:
            consumer.close()

    def answered(self) -> dict[Origin, list[float]]:
        """The answers to each input record."""
        found: dict[Origin, list[float]] = defaultdict(list)
        for message in self.read(self.output):
            value = json.loads(message.value() or b"")
            found[value["origin"]["partition"], value["origin"]["offset"]].append(value["y"])
        return found

    def refused(self) -> dict[Origin, list[str]]:
        """The reasons why each input record was refused."""
        found: dict[Origin, list[str]] = defaultdict(list)
        for message in self.read(self.dead_letters):
            letter = DeadLetter.from_headers(message.headers() or [])
            found[letter.origin.partition, letter.origin.offset].append(letter.reason)
        return found

    def await_finished(self, num_records: int, timeout: float = 120.0) -> None:
        """Wait until `num_records` input records have a result or a dead letter on the topics."""
        wait_for_count("input records finished", self.num_finished, num_records, timeout)

    def num_finished(self) -> int:
        """How many input records have a result or a dead letter on the topics."""
        return len({*self.answered(), *self.refused()})

    def await_answered(self, num_records: int, timeout: float = 30.0) -> None:
        """Wait until `num_records` input records have a result on the output topic."""
        wait_for_count("input records answered", lambda: len(self.answered()), num_records, timeout)

    def committed(self) -> dict[int, int]:
        """The group's committed offset of each partition; -1001 where there is none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        partitions = [TopicPartition(self.input, p) for p in range(self.partitions)]
        found = {tp.partition: tp.offset for tp in consumer.committed(partitions, timeout=10)}
        consumer.close()
        return found

    def worker(self, *options: str, **env: str) -> AbstractContextManager[RunningWorker]:
        """Run a worker for the length of a `with` block; killed if it still runs then."""
        return running_worker(self.config, *options, env=env)


def make_planned_topics(config: Path) -> None:
    """Make what `penstock topics create` would make."""
    settings = load_pipeline(config, {})
    plan = plan_topics(settings, {}, learning_agents(settings, config.parent))
    create_topics(settings.kafka, {planned.topic: planned.wanted for planned in plan})


def number(x: float) -> bytes:
    """An event with one number."""
    return msgspec.json.encode({"x": x, "event_time_ms": 1_700_000_000_000})
