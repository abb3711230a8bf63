"""A pipeline whose delivery is exactly once, and what a reader of committed records sees of it."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from agents.commands.audit import AuditOptions, audit_pipeline
from agents.pipeline.file import load_pipeline
from streams.kafka.admin import probe
from tests.integration.running import Origin, Pipeline


@dataclass
class ExactlyOncePipeline(Pipeline):
    """A pipeline of one doubling agent whose results are committed with their offsets."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "guarantee": "exactly_once"}

    def read(self, topic: str) -> list[Message]:
        """Everything that is committed on a topic by now, in the order of each partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        ahead = set(range(probe(self.kafka).topics[topic]))
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in ahead])
        messages = []
        while ahead:
            message = consumer.poll(10)
            assert message is not None, f"{topic}: partitions {ahead} have no end"
            error = message.error()
            if error is None:
                messages.append(message)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error.str()
                ahead.discard(message.partition() or 0)
        consumer.close()
        return messages

    def outcomes(self) -> Counter[Origin]:
        """How many results and dead letters each input record has."""
        answered = {origin: len(answers) for origin, answers in self.answered().items()}
        return Counter(answered) + Counter({at: len(why) for at, why in self.refused().items()})


def assert_each_record_once(pipeline: ExactlyOncePipeline, count: int) -> None:
    """A committed reader sees one result or dead letter of each record, in order per key."""
    options = AuditOptions(is_drained=True, repeats_allowed=False, isolation="read_committed")
    report = audit_pipeline(load_pipeline(pipeline.config, os.environ), options).agent("double")
    assert report.is_proven, report.culprits
    assert report.records == count
    outcomes = pipeline.outcomes()
    assert len(outcomes) == count
    assert set(outcomes.values()) == {1}, outcomes.most_common(3)
    latest: dict[bytes | None, float] = defaultdict(float)
    ids: set[str] = set()
    for message in pipeline.read(pipeline.output):
        result_id = dict(message.headers() or [])["ce_id"].decode()
        assert result_id not in ids
        ids.add(result_id)
        answer = json.loads(message.value() or b"")["y"]
        assert answer > latest[message.key()]
        latest[message.key()] = answer


def assert_all_is_committed(pipeline: ExactlyOncePipeline) -> None:
    """The group's offsets stand at the end of the input."""
    consumer = Consumer({"bootstrap.servers": pipeline.bootstrap, "group.id": "ends"})
    committed = pipeline.committed()
    for partition in range(pipeline.partitions):
        tp = TopicPartition(pipeline.input, partition)
        _, end = consumer.get_watermark_offsets(tp, timeout=10)
        assert max(committed[partition], 0) == end, f"partition {partition}"
    consumer.close()
