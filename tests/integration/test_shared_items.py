"""Partitions share what they learn of items, through Kafka; a kill changes no answer.

The reference is the model itself, driven over the input topic as it was written: interactions from
the producer, summaries copied there by the relay, in the order of offsets.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Message, Producer
from msgspec.structs import replace

from models.recommendation.recommender import Recommender
from schemas import Interaction, ItemSummaryRecord, make_codec
from schemas.side_records import side_type
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from streams.state.topic_store import TOPIC_CONFIG
from tests.integration.test_late_labels import Pipeline as Topics
from tests.integration.workers import running_worker
from tests.waiting import wait_for_count

_PARTITIONS = 4  # as many as the embedded broker gives every topic
_OPTIONS: dict[str, Any] = {"share_every": 16, "learn_every": 4, "top_n": 5}


class Pipeline(Topics):
    """A recommender and a relay, with topics of their own."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.kafka = {"bootstrap.servers": bootstrap}
        self.name = f"items-{uuid.uuid4().hex[:8]}"
        self.input, self.output = f"{self.name}.in", f"{self.name}.out"
        self.summaries = f"{self.name}.summaries"
        self.config = folder / "penstock.yaml"
        self.config.write_text(yaml.safe_dump(self._settings()))
        wanted = TopicSettings(partitions=_PARTITIONS)
        names = (self.input, self.output, self.summaries)
        topics = {t: wanted for t in (*names, f"{self.input}.dlq", f"{self.summaries}.dlq")}
        state = TopicSettings(partitions=_PARTITIONS, config=TOPIC_CONFIG)
        create_topics(self.kafka, {**topics, f"{self.name}.recommend.state": state})

    def _settings(self) -> dict[str, Any]:
        recommend = {"input": self.input, "output": self.output, "updates": self.summaries,
                     "event": "Interaction", "answers": "sometimes",
                     "model": {"name": "recommender", "options": _OPTIONS},
                     "batch": {"max_batch_size": 37, "max_wait_seconds": 0.01}}  # fmt: skip
        relay = {"input": self.summaries, "output": self.input, "model": "item_relay",
                 "route": "every_partition"}  # fmt: skip
        return {
            "kafka": {**self.kafka, "group.id": self.name},
            "agents": {"recommend": recommend, "share": relay},
            "state": {"interval_seconds": 0.3},
            "metrics": {"port": 0},
        }

    def send_events(self, first: int, stop: int) -> None:
        """Each user has items in turn, so that each item is followed by the next."""
        producer = Producer(self.kafka)
        for i in range(first, stop):
            value = {"item": f"i{(i // 23 + i) % 40}", "action": "view"}
            producer.produce(
                self.input, json.dumps(value), key=f"u-{i % 23}", headers={"ce_id": f"e-{i}"}
            )
        producer.flush()

    def num_summaries(self) -> int:
        """How many copies of summaries are in the input, over all partitions."""
        return sum(side_type(m.headers() or []) is not None for m in self.read(self.input))


@pytest.fixture
def pipeline(bootstrap: str, tmp_path: Path) -> Pipeline:
    return Pipeline(bootstrap, tmp_path)


def test_partitions_share_items_and_a_kill_changes_no_answer(pipeline: Pipeline) -> None:
    pipeline.send_events(0, 400)
    with running_worker(pipeline.config) as worker:
        wait_for_count("answered events", pipeline.num_answered, 400, 120)
        wait_for_count("summaries in the input", pipeline.num_summaries, 60, 60)
        pipeline.send_events(400, 800)
        worker.kill()
    with running_worker(pipeline.config) as worker:
        wait_for_count("answered events", pipeline.num_answered, 800, 120)
        pipeline.send_events(800, 1000)
        wait_for_count("answered events", pipeline.num_answered, 1000, 120)
        worker.await_drained()
    log = pipeline.read(pipeline.input)
    expected = {key: items for p in range(_PARTITIONS) for key, items in _replayed(log, p)}
    actual: dict[tuple[int, int], list[str]] = {}
    for message in pipeline.read(pipeline.output):
        value = json.loads(message.value() or b"")
        origin = (value["origin"]["partition"], value["origin"]["offset"])
        items = [item["item"] for item in value["items"]]
        assert actual.setdefault(origin, items) == items
    assert len(actual) == 1000
    assert actual == expected
    copies = [m for m in log if side_type(m.headers() or []) is ItemSummaryRecord]
    by_partition = [{m.value() for m in copies if m.partition() == p} for p in range(_PARTITIONS)]
    assert by_partition[0]
    assert all(values == by_partition[0] for values in by_partition)


def _replayed(log: list[Message], partition: int) -> Iterator[tuple[tuple[int, int], list[str]]]:
    """Answer a partition of the input topic with the model alone."""
    model = Recommender(**_OPTIONS)
    steps: dict[int, list[Message]] = {}
    for message in log:
        if message.partition() == partition:
            steps.setdefault((message.offset() or 0) // model.learn_every, []).append(message)
    for step in steps.values():
        events = [_event(message) for message in step]
        for message, answer in zip(step, model.predict_batch(events), strict=True):
            if answer is not None:
                yield (partition, message.offset() or 0), [item.item for item in answer.items]
        model.note_offsets(("in", partition), [])
        model.learn_batch(events)


def _event(message: Message) -> Any:
    kind = side_type(message.headers() or []) or Interaction
    headers = dict(message.headers() or [])
    event = make_codec("json", kind).decode(message.value() or b"", headers)
    # The key names the user.
    user = (message.key() or b"").decode()
    return replace(event, source_id=user) if kind is Interaction else event
