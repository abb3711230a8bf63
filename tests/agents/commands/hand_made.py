"""A pipeline whose topics are filled by the test itself, correctly or with faults."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from agents.commands.audit import AgentReport, AuditOptions, audit_pipeline
from schemas import DecodeError, InputError
from schemas.cloudevents import event_headers
from streams.dead_letters import make_dead_letter
from streams.kafka.admin import create_topics
from streams.kafka.reader import TopicReader
from streams.offsets import OffsetTracker
from streams.settings import (
    AgentSettings,
    DeadLetterPayload,
    PipelineSettings,
    TopicSettings,
)
from tests.fakes import record_batch

Header = tuple[str, bytes]
AGENT = "score"


@dataclass
class HandMade:
    """One agent's topics on a broker, 4 partitions each."""

    servers: str
    answers: Any = "always"
    compression: str = "none"
    more_inputs: Sequence[str] = ()
    """Suffixes of its other input topics."""
    name: str = field(default_factory=lambda: f"audit-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.agent = AgentSettings(
            input=[self.name, *(f"{self.name}.{end}" for end in self.more_inputs)],
            output=f"{self.name}.out",
            model="m",
            answers=self.answers,
        )
        self.kafka: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.servers, "group.id": self.name,
        }  # fmt: skip
        self.settings = PipelineSettings(kafka=self.kafka, agents={AGENT: self.agent})
        topics = (*self.agent.inputs, *self.agent.output_topics)
        create_topics(self.kafka, dict.fromkeys(topics, TopicSettings(partitions=4)))
        self._producer = Producer(
            {"bootstrap.servers": self.servers, "enable.idempotence": True,
             "compression.type": self.compression}
        )  # fmt: skip

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = b"k",
        headers: Sequence[Header] = (),
        partition: int = 0,
        timestamp_ms: int = 0,
    ) -> None:
        """Write one record; timestamp 0: now."""
        self._producer.produce(
            topic, value, key, partition=partition, headers=list(headers), timestamp=timestamp_ms
        )

    def records(self, count: int, keys: int = 3, partition: int = 0) -> None:
        """Fill an input partition, keyed `key-0`, `key-1` ... in turn."""
        for i in range(count):
            self.send(self.input, b"{}", self.key(i, keys), partition=partition)

    @property
    def input(self) -> str:
        return self.agent.inputs[0]

    @property
    def dead_letters(self) -> str:
        return self.agent.dead_letter_topics[0]

    @staticmethod
    def key(offset: int, keys: int = 3) -> bytes:
        return b"key-%d" % (offset % keys)

    def result(
        self,
        offset: int,
        y: float = 1.0,
        *,
        index: int = 0,
        partition: int = 0,
        to: int | None = None,
        key: bytes | None = None,
        topic: str = "",
        value: bytes | None = None,
        result_id: str = "",
        agent: str = AGENT,
    ) -> None:
        """Write a result as a worker would; the arguments make it wrong."""
        topic = topic or self.input
        origin = {"topic": topic, "partition": partition, "offset": offset}
        result_id = result_id or f"{topic}:{partition}:{offset}:{agent}:penstock.result.v1:{index}"
        headers = event_headers(
            event_id=result_id,
            type_name="penstock.result.v1",
            source=f"penstock/{agent}",
            time_ms=0,
            content_type="application/json",
        )
        self.send(
            self.agent.output,
            json.dumps({"origin": origin, "y": y}).encode() if value is None else value,
            self.key(offset) if key is None else key,
            headers,
            partition if to is None else to,
        )

    def letter(
        self,
        offset: int,
        partition: int = 0,
        *,
        value: bytes = b"{bad",
        key: bytes | None = None,
        headers: Sequence[Header] = (),
        timestamp_ms: int = 1_700_000_000_000,
        topic: str = "",
        letters: str = "",
        agent: str = AGENT,
        to: int | None = None,
        error: InputError | None = None,
        payload: DeadLetterPayload = "full",
        max_bytes: int = 1_000_000,
        topic_id: str = "",
    ) -> None:
        """Write a dead letter as a worker does."""
        batch = record_batch(
            [value],
            tracker=OffsetTracker(),
            partition=partition,
            offsets=[offset],
            topic=topic or self.input,
            keys=[self.key(offset) if key is None else key],
            headers=[headers],
        )
        batch.timestamps_ms, batch.topic_id = [timestamp_ms], topic_id
        made = make_dead_letter(agent, batch, 0, error or DecodeError("bad"), max_bytes, payload)
        to = partition if to is None else to
        self.send(letters or self.dead_letters, made.value, made.key, made.headers, to)

    def flush(self) -> None:
        """Wait until every record is acknowledged."""
        assert self._producer.flush(20) == 0

    def read(self, topic: str, partition: int = 0) -> list[Message]:
        """Return all records of a partition."""
        with TopicReader(self.kafka) as reader:
            bounds = reader.bounds_of(topic, partition)
            return [m for messages in reader.read(topic, partition, bounds) for m in messages]

    def commit(self, offset: int, partition: int = 0, topic: str = "") -> None:
        """Commit as the pipeline's group."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": self.name})
        at = TopicPartition(topic or self.input, partition, offset)
        consumer.commit(offsets=[at], asynchronous=False)
        consumer.close()

    def audit(self, **options: Any) -> AgentReport:
        """Audit what was written."""
        self.flush()
        return audit_pipeline(self.settings, AuditOptions(**options)).agent(AGENT)
