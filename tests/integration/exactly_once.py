"""A pipeline with `guarantee: exactly_once`, read as a read_committed consumer sees it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from agents.commands.audit import AuditOptions, audit_pipeline
from agents.pipeline.file import load_pipeline
from streams.kafka.admin import probe
from tests.integration.outcomes import assert_nothing_is_lost
from tests.integration.pipelines import Origin, Pipeline


@dataclass
class ExactlyOncePipeline(Pipeline):
    """A pipeline of one doubling agent that commits results and offsets in one transaction."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "guarantee": "exactly_once"}

    def _read_from(self, topic: str, offsets: Mapping[int, int]) -> Iterator[Message]:
        """Yield what is committed on a topic by now from these offsets on."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        try:
            unfinished = set(range(probe(self.kafka).topics[topic]))
            consumer.assign([TopicPartition(topic, p, offsets[p]) for p in unfinished])
            while unfinished:
                message = consumer.poll(10)
                assert message is not None, f"{topic}: partitions {unfinished} did not end in 10 s"
                error = message.error()
                if error is None:
                    yield message
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error.str()
                    unfinished.discard(message.partition() or 0)
        finally:
            consumer.close()

    def outcomes(self) -> Counter[Origin]:
        """How many results and dead letters each input record has."""
        results = Counter({origin: len(answers) for origin, answers in self.answered().items()})
        return results + Counter({at: len(reasons) for at, reasons in self.refused().items()})


def assert_each_record_once(pipeline: ExactlyOncePipeline, count: int) -> None:
    """A read_committed reader sees one result or dead letter of each record, in order per key."""
    options = AuditOptions(is_drained=True, repeats_allowed=False, isolation="read_committed")
    report = audit_pipeline(load_pipeline(pipeline.config, os.environ), options).agent("double")
    assert report.is_proven, report.culprits
    assert report.records == count
    outcomes = pipeline.outcomes()
    assert len(outcomes) == count, f"{len(outcomes)} of {count} records have an outcome"
    repeated = {origin: number for origin, number in outcomes.items() if number != 1}
    assert not repeated, f"outcomes of (partition, offset), expected one each: {repeated}"
    repeats = assert_nothing_is_lost(pipeline, len(pipeline.answered()))
    assert repeats == 0, f"{repeats} results have the id of an earlier one"


def assert_all_is_committed(pipeline: ExactlyOncePipeline) -> None:
    """The group's offsets are at the end of the input."""
    consumer = Consumer({"bootstrap.servers": pipeline.bootstrap, "group.id": "ends"})
    committed = pipeline.committed()
    for partition in range(pipeline.partitions):
        tp = TopicPartition(pipeline.input, partition)
        _, end = consumer.get_watermark_offsets(tp, timeout=10)
        assert max(committed[partition], 0) == end, f"partition {partition}"
    consumer.close()
