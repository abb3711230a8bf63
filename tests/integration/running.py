"""A pipeline run for real: a worker in a process of its own, records in and out of a broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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

    def read(self, topic: str) -> list[Message]:
        """Everything on a topic by now, in the order of each partition."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "reader", "enable.auto.commit": False}
        )
        ends = {}
        for partition in range(probe(self.kafka).topics[topic]):
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            if end > 0:
                ends[partition] = end
        consumer.assign([TopicPartition(topic, p, 0) for p in ends])
        messages = []
        while ends:
            message = consumer.poll(10)
            assert message is not None, f"{topic}: no more records, but {ends} are to come"
            if message.error() is None:
                messages.append(message)
                if (message.offset() or 0) + 1 >= ends.get(message.partition(), 0):
                    ends.pop(message.partition(), None)
        consumer.close()
        return messages

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

    def await_finished(self, num_records: int, timeout: float = 60.0) -> None:
        """Wait until that many input records have a result or a dead letter."""
        deadline = time.monotonic() + timeout
        while (done := len({*self.answered(), *self.refused()})) < num_records:
            assert time.monotonic() < deadline, f"{done} of {num_records} records are finished"
            time.sleep(0.2)

    def committed(self) -> dict[int, int]:
        """The group's committed offset of each partition; -1001 where there is none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        partitions = [TopicPartition(self.input, p) for p in range(self.partitions)]
        found = {tp.partition: tp.offset for tp in consumer.committed(partitions, timeout=10)}
        consumer.close()
        return found

    @contextmanager
    def worker(self, *options: str, **env: str) -> Iterator[RunningWorker]:
        """Run a worker for the length of a `with` block; killed if it is still there then."""
        log = self.folder / f"worker-{uuid.uuid4().hex[:6]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", "from agents.commands.main import main; main()", "worker",
                 "-c", str(self.config), *options],
                stdout=output, stderr=subprocess.STDOUT, env={**plain_environment(), **env},
            )  # fmt: skip
        worker = RunningWorker(process, log)
        try:
            yield worker
        finally:
            process.kill()
            process.wait()


@dataclass
class RunningWorker:
    """A worker process."""

    process: subprocess.Popen[bytes]
    log: Path

    def await_ready(self) -> None:
        """Wait until its models are loaded and its metrics served."""
        deadline = time.monotonic() + 60
        while "metrics at" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """What it exports now."""
        from prometheus_client.parser import text_string_to_metric_families

        (line,) = (x for x in self.log.read_text().splitlines() if "metrics at" in x)
        with urllib.request.urlopen(line.split("metrics at ")[1], timeout=5) as response:
            text = response.read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def accounts(self) -> Counter[str]:
        """Records in, and each of their outcomes, over all agents."""
        counts: Counter[str] = Counter()
        for (name, labels), value in self.metrics().items():
            if name == "penstock_records_in_total":
                counts["in"] += int(value)
            elif name == "penstock_records_total":
                counts[dict(labels)["outcome"]] += int(value)
            elif name == "penstock_records_in_flight":
                counts["in_flight"] += int(value)
        return counts


def make_planned_topics(config: Path) -> None:
    """Make what `penstock topics create` would make."""
    settings = load_pipeline(config, {})
    plan = plan_topics(settings, {}, learning_agents(settings, config.parent))
    create_topics(settings.kafka, {planned.topic: planned.wanted for planned in plan})


def plain_environment() -> dict[str, str]:
    """The environment without overrides of pipeline files that a developer may have set."""
    return {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("PENSTOCK_") and "__" in name)
    }


def until(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        time.sleep(0.1)


def number(x: float) -> bytes:
    """An event with one number."""
    return msgspec.json.encode({"x": x, "event_time_ms": 1_700_000_000_000})
