"""A pipeline with an agent for each codec, fed with malformed records."""

from __future__ import annotations

import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import KafkaError, Message, Producer

from schemas import DeadLetter
from tests.faults.malformed import CODECS, Malformed, huge, malformed
from tests.integration.pipelines import Pipeline, make_planned_topics
from tests.integration.workers import RunningWorker

Place = tuple[str, int, int]
"""Topic, partition and offset."""

_MODELS = Path(__file__).with_name("fuzz_models.py")
_AGENTS: dict[str, dict[str, Any]] = {
    "json": {
        "event": "SensorReading",
        "model": {"name": "robust_zscore", "options": {"window": 32, "max_keys": 256}},
    },
    "text": {"event": "TextMessage", "model": "./fuzz_models.py:Texts"},
    "msgpack": {"event": "BehaviorEvent", "codec": "msgpack", "model": "online_kmeans"},
    "nested": {"event": "./fuzz_models.py:Anything", "model": "./fuzz_models.py:Bodies"},
    "image": {"event": "VideoFrame", "codec": "image", "model": "./fuzz_models.py:Pictures"},
}


@dataclass
class Published:
    """The records on the input topics: a checksum of each value, None for a tombstone."""

    values: dict[Place, int | None] = field(default_factory=dict)

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        value = message.value()
        place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        self.values[place] = None if value is None else zlib.crc32(value)


class Fuzzed(Pipeline):
    """A pipeline with one agent for each codec."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        super().__init__(folder, bootstrap, name=f"fuzz-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        (self.folder / "fuzz_models.py").write_text(_MODELS.read_text())
        self.config.write_text(yaml.safe_dump(self.settings()))
        make_planned_topics(self.config)
        self.published = Published()

    def settings(self) -> dict[str, Any]:
        # A small intake: memory then shows leaks, not how far behind the worker is.
        shared = {"batch": {"max_batch_size": 256, "max_wait_seconds": 0.02},
                  "intake": {"max_records": 500, "max_bytes": 2_000_000}}  # fmt: skip
        agents = {
            codec: {"input": self.topic(codec), "output": f"{self.topic(codec)}.out",
                    **shared, **agent}
            for codec, agent in _AGENTS.items()
        }  # fmt: skip
        agents["msgpack"]["limits"] = {"max_depth": 16}
        kafka = {**self.kafka, "group.id": self.name}
        return {"kafka": kafka, "agents": agents, "metrics": {"port": 0}}

    def topic(self, codec: str) -> str:
        return f"{self.name}.{codec}"

    def publish(self, codec: str, records: Iterable[Malformed]) -> None:
        """Publish records to the partitions in turn."""
        producer = Producer({
            "bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 20,
            "message.max.bytes": 1_500_000, "queue.buffering.max.messages": 20_000,
        })  # fmt: skip
        for number, (key, value, headers) in enumerate(records):
            producer.produce(
                self.topic(codec), value, key, headers=headers, partition=number % 4,
                on_delivery=self.published.delivered,
            )  # fmt: skip
            if number % 1_000 == 0:
                producer.poll(0.05)
        assert producer.flush(60) == 0

    def publish_round(self, streams: dict[str, Iterator[Malformed]], each: int) -> None:
        """Publish `each` records of every codec."""
        for codec, stream in streams.items():
            self.publish(codec, islice(stream, each))

    def publish_huge(self) -> None:
        """Publish records as large as a topic takes."""
        for codec in CODECS:
            self.publish(codec, (Malformed(b"huge", value, []) for value in huge(codec)))

    def await_all(self, worker: RunningWorker, timeout: float = 120.0) -> Counter[str]:
        """Wait until the worker has finished all published records; return its accounts."""
        worker.await_finished(len(self.published.values), timeout)
        return worker.accounts()

    def outcomes(self) -> dict[Place, list[str]]:
        """The outcomes of each input record on the topics; checks each dead letter."""
        outcomes: dict[Place, list[str]] = defaultdict(list)
        for codec in CODECS:
            for message in self.read(f"{self.topic(codec)}.dlq"):
                letter = DeadLetter.from_headers(message.headers() or [])
                place = (letter.origin.topic, letter.origin.partition, letter.origin.offset)
                assert place[0] == self.topic(codec)
                assert letter.agent == codec
                assert letter.message
                if letter.full_bytes < 0:
                    assert zlib.crc32(message.value() or b"") == self.published.values[place]
                outcomes[place].append(letter.reason)
            for message in self.read(f"{self.topic(codec)}.out"):
                identity = dict(message.headers() or [])["ce_id"].decode()
                topic, partition, offset, *_ = identity.split(":")
                outcomes[topic, int(partition), int(offset)].append("answered")
        return outcomes


def streams_of(seed: int) -> dict[str, Iterator[Malformed]]:
    """Malformed records of every codec."""
    return {codec: malformed(codec, seed) for codec in CODECS}


def resident_bytes(worker: RunningWorker) -> int:
    """The worker's resident memory."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
