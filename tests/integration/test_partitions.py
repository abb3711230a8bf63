"""Partitions are added to the topics of running pipelines: nothing is passed over in silence."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from typer.testing import CliRunner

from agents.commands.main import app
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from streams.state.topic_store import TOPIC_CONFIG
from tests.integration.exactly_once import ExactlyOncePipeline
from tests.integration.pipelines import number
from tests.integration.workers import RunningWorker
from tests.waiting import wait_for_count, wait_until

pytestmark = pytest.mark.kafka
KEYS = [f"pump-{i}" for i in range(50)]
#: Partitions that are added are read within this time: 2 s to notice, and a rebalance.
NOTICE_SECONDS = 30.0


@dataclass
class NumbersFromNow(ExactlyOncePipeline):
    """A pipeline whose group begins at the end of its input."""

    guarantee: str = "at_least_once"

    def settings(self) -> dict[str, Any]:
        made = super().settings()
        made["kafka"]["auto.offset.reset"] = "latest"
        return made | {"guarantee": self.guarantee}


@dataclass
class Readings(ExactlyOncePipeline):
    """A pipeline whose model learns what is usual for each key."""

    model: str = "robust_zscore"
    guarantee: str = "at_least_once"
    on_mismatch: str = "stop"
    state_partitions: int = 4

    def __post_init__(self) -> None:
        self.write()
        wanted = TopicSettings(partitions=self.partitions)
        state = TopicSettings(partitions=self.state_partitions, config=TOPIC_CONFIG)
        topics = (self.input, self.output, self.dead_letters)
        create_topics(self.kafka, {**dict.fromkeys(topics, wanted), self.state: state})

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings()))

    @property
    def state(self) -> str:
        return f"{self.name}.score.state"

    def settings(self) -> dict[str, Any]:
        base = super().settings()
        agent = base["agents"].pop("double") | {
            "event": "", "model": {"name": self.model, "options": {"min_values": 32}},
        }  # fmt: skip
        return base | {
            "agents": {"score": agent},
            "guarantee": self.guarantee,
            "state": {"on_mismatch": self.on_mismatch, "interval_seconds": 1.0},
        }

    def send(self, keys: Sequence[str], values: Iterator[float]) -> None:
        """Publish one reading of each key."""
        # As Java clients assign keys.
        settings = {"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"}
        producer = Producer(settings)
        for key in keys:
            producer.produce(self.input, msgspec.json.encode({"values": {"x": next(values)}}), key)
        assert producer.flush(30) == 0

    def await_committed(self, count: int) -> None:
        def num_committed() -> int:
            return sum(max(offset, 0) for offset in self.committed().values())

        wait_for_count("committed records", num_committed, count, 60)


def grow(bootstrap: str, topic: str, count: int) -> None:
    """Give a topic more partitions."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_partitions([NewPartitions(topic, count)])[topic].result(20)


def produce_to(bootstrap: str, topic: str, values: Sequence[bytes], num_partitions: int) -> None:
    """Publish to the partitions in turn."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for index, value in enumerate(values):
        producer.produce(topic, value, f"key-{index % 20}", partition=index % num_partitions)
    assert producer.flush(30) == 0


def penstock(*arguments: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments), env={})
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_latest_reads_added_partitions_from_their_start(
    tmp_path: Path, kafka_bootstrap: str, guarantee: str
) -> None:
    """Records come to the new partitions before the worker can know of them."""
    pipeline = NumbersFromNow(tmp_path, kafka_bootstrap, partitions=2, guarantee=guarantee)
    produce_to(kafka_bootstrap, pipeline.input, [number(7)] * 10, 2)
    with pipeline.worker() as worker:
        worker.await_ready()
        # Where reading starts is committed before anything is read.
        wait_until("the group has begun", lambda: set(pipeline.committed().values()) == {5})
        produce_to(kafka_bootstrap, pipeline.input, [number(100 + x) for x in range(200)], 2)
        grow(kafka_bootstrap, pipeline.input, 4)
        produce_to(kafka_bootstrap, pipeline.input, [number(100 + x) for x in range(400)], 4)
        wait_for_count("records answered", lambda: len(pipeline.answered()), 600, 60)
        assert f"{pipeline.input} has 4 partitions now, 2 before" in worker.log_text()
        worker.stop()
    answers = pipeline.answered()
    assert len(answers) == 600  # not the ten before the group began
    assert {len(values) for values in answers.values()} == {1}


def test_latest_reads_partitions_that_were_added_while_no_worker_ran(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = NumbersFromNow(tmp_path, kafka_bootstrap, partitions=2)
    produce_to(kafka_bootstrap, pipeline.input, [number(7)] * 10, 2)
    with pipeline.worker() as worker:
        worker.await_ready()
        wait_until("the group has begun", lambda: set(pipeline.committed().values()) == {5})
        worker.stop()
    # Nothing was answered: what is committed is where the group began.
    grow(kafka_bootstrap, pipeline.input, 4)
    produce_to(kafka_bootstrap, pipeline.input, [number(100 + x) for x in range(400)], 4)
    with pipeline.worker() as worker:
        wait_for_count("records answered", lambda: len(pipeline.answered()), 400, 60)
        log = worker.log_text()
        worker.stop()
    assert "partitions 2, 3 have no committed offset and were added since" in log
    assert len(pipeline.answered()) == 400


def learned(pipeline: Readings, count: int = 100) -> Iterator[float]:
    """Let a worker learn `count` usual readings of each key; return more of them."""
    dice = random.Random(2)
    usual = iter(lambda: dice.gauss(2.5, 0.1), None)
    for _ in range(count):
        pipeline.send(KEYS, usual)
    return usual


@pytest.mark.parametrize(
    ("model", "guarantee"),
    [("robust_zscore", "at_least_once"), ("robust_zscore", "exactly_once")],
)
def test_added_partitions_are_said_and_learned_state_moves(
    tmp_path: Path, kafka_bootstrap: str, model: str, guarantee: str
) -> None:
    """The steps of docs/operations.md, with a detour: workers run before the state has moved."""
    pipeline = Readings(tmp_path, kafka_bootstrap, model=model, guarantee=guarantee)
    config = str(pipeline.config)
    with pipeline.worker() as worker:
        usual = learned(pipeline)
        pipeline.await_committed(5_000)
        grow(kafka_bootstrap, pipeline.input, 8)
        pipeline.partitions = 8
        wait_until("it holds 8", lambda: "holding 8" in worker.log_text(), NOTICE_SECONDS)
        wait_until("it says so", lambda: "has 8 partitions now, 4 before" in worker.log_text())
        assert "what the models of score have learned about a key stays" in worker.log_text()
        labels = {"agent": "score", "topic": pipeline.input, "reason": "partitions_added"}
        mismatch = ("penstock_state_mismatch_total", frozenset(labels.items()))
        assert worker.metrics()[mismatch] == 4
        pipeline.send(KEYS, usual)  # moved keys begin anew
        pipeline.await_committed(5_050)
        running = penstock("state", "rekey", "--agent", "score", "--apply", "-c", config,
                           exit_code=2)  # fmt: skip
        assert "1 workers of group" in running
        worker.stop()
    for command in (["check"], ["topics", "plan"]):
        notes = penstock(*command, "-c", config)
        assert f"{pipeline.input} had 4 partitions when group" in notes
        assert "penstock state rekey --agent score" in notes
    plan = json.loads(penstock("state", "rekey", "--agent", "score", "--json", "-c", config))
    assert plan["obstacles"] == []
    assert sum(line["after"] for line in plan["partitions"]) == 50
    penstock("state", "rekey", "--agent", "score", "--apply", "-c", config)
    assert "had 4 partitions" not in penstock("check", "-c", config)
    with pipeline.worker() as worker:
        pipeline.send(KEYS, iter([1e6] * 50))
        pipeline.await_committed(5_100)
        worker.stop()
    assert len(anomalous_keys(pipeline)) == 50


def anomalous_keys(pipeline: Readings) -> set[str]:
    values = [json.loads(message.value() or b"") for message in pipeline.read(pipeline.output)]
    return {value["source_id"] for value in values if value["is_anomaly"]}


def test_records_that_moved_keys_left_behind_must_be_learned_first(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = Readings(tmp_path, kafka_bootstrap)
    config = str(pipeline.config)
    with pipeline.worker() as worker:
        usual = learned(pipeline, 40)
        pipeline.await_committed(2_000)
        worker.stop()
    pipeline.send(KEYS, usual)  # no worker reads them before partitions are added
    grow(kafka_bootstrap, pipeline.input, 8)
    pipeline.partitions = 8
    refused = penstock("state", "rekey", "--agent", "score", "--apply", "-c", config, exit_code=2)
    assert "are not answered yet, and their keys belong to other partitions now" in refused
    with pipeline.worker() as worker:
        pipeline.await_committed(2_050)
        worker.stop()
    # Records of keys that stay do not stand in the way.
    pipeline.send(KEYS, usual)
    penstock("state", "rekey", "--agent", "score", "--apply", "-c", config)
    with pipeline.worker() as worker:
        pipeline.send(KEYS, iter([1e6] * 50))
        pipeline.await_committed(2_150)
        worker.stop()
    assert len(anomalous_keys(pipeline)) == 50


def test_a_state_topic_with_more_partitions_keeps_its_state(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = Readings(tmp_path, kafka_bootstrap, partitions=8, state_partitions=4)
    with pipeline.worker() as worker:
        learned(pipeline, 40)
        pipeline.await_committed(2_000)
        worker.stop()
    assert "state of several partitions shares one; give it 8" in penstock(
        "topics", "plan", "-c", str(pipeline.config)
    )
    grow(kafka_bootstrap, pipeline.state, 8)
    with pipeline.worker() as worker:
        pipeline.send(KEYS, iter([1e6] * 50))
        pipeline.await_committed(2_050)
        assert "the state of 8 partitions is restored: " in worker.log_text()
        worker.stop()
    assert len(anomalous_keys(pipeline)) == 50


def test_a_lost_state_topic_stops_the_worker_unless_models_may_start_fresh(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = Readings(tmp_path, kafka_bootstrap)
    with pipeline.worker() as worker:
        learned(pipeline, 2)
        pipeline.await_committed(100)
        worker.stop()
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.delete_topics([pipeline.state])[pipeline.state].result(20)
    wanted = {pipeline.state: TopicSettings(partitions=4, config=TOPIC_CONFIG)}
    wait_until(
        "the state topic is there again",
        lambda: bool(create_topics(pipeline.kafka, wanted)),
    )
    with pipeline.worker() as worker:
        log = worker.await_exit(1)
    assert "the worker ends: score, " in log
    assert "what its model had learned from the records below is lost" in log
    assert "Traceback" not in log
    lenient = replace(pipeline, on_mismatch="fresh")
    with lenient.worker() as worker:
        pipeline.send(KEYS, iter([1.0] * 50))
        pipeline.await_committed(150)
        log = worker.log_text()
        worker.stop()
    assert log.count("its model starts fresh") == 4


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_a_worker_is_ready_once_all_state_is_restored_and_stops_in_between(
    tmp_path: Path, kafka_bootstrap: str, guarantee: str
) -> None:
    pipeline = Readings(
        tmp_path, kafka_bootstrap, partitions=60, state_partitions=60, guarantee=guarantee
    )
    with pipeline.worker() as worker:
        learned(pipeline, 20)
        pipeline.await_committed(1_000)
        worker.stop()
    with pipeline.worker() as worker:
        wait_until("partitions are assigned", lambda: "holding 60" in worker.log_text())
        worker.process.send_signal(signal.SIGTERM)  # most are not restored yet
        worker.await_exit(0)
    with pipeline.worker() as worker:
        worker.await_started()
        states = [ready_and_unrestored(worker)]
        while not states[-1][0]:
            time.sleep(0.02)
            states.append(ready_and_unrestored(worker))
        assert states[-1] == (True, 0)
        assert "the state of 60 partitions is restored: " in worker.log_text()
        worker.stop()


def ready_and_unrestored(worker: RunningWorker) -> tuple[bool, int]:
    _, answer = worker.probe("/ready")
    return answer["ok"], answer["facts"]["partitions_not_restored"]
