"""`guarantee: exactly_once` on Apache Kafka: a read_committed reader sees each outcome once."""

from __future__ import annotations

import itertools
import json
import random
import signal
import time
from itertools import islice
from pathlib import Path

import msgspec
import pytest
import yaml

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.integration.exactly_once import (
    ExactlyOncePipeline,
    assert_all_is_committed,
    assert_each_record_once,
)
from tests.integration.pipelines import number

pytestmark = pytest.mark.kafka


def test_each_record_has_one_outcome(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap)
    values = [number(100 + i) if i % 50 else b"{bad" for i in range(4000)]
    values[77] = number(13)  # the model raises
    count = pipeline.produce(values)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        worker.await_drained()
        accounts = worker.accounts()
        worker.stop()
    assert accounts["in"] == count
    assert accounts["dead_lettered"] == 81
    assert accounts["answered"] == count - 81
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


def test_kills_at_random_moments(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(7000))
    moments = random.Random(5)
    for _ in range(3):
        with pipeline.worker() as worker:
            worker.await_answered(1)
            time.sleep(moments.uniform(0.0, 0.8))
            worker.kill()
    finished = sum(pipeline.outcomes().values())
    assert finished < count, "the workers finished before they were killed"
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        worker.stop()
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


def test_a_stop_under_load_commits_all_finished_records(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(6000))
    with pipeline.worker() as worker:
        worker.await_answered(500)
        worker.stop()
    finished = len(pipeline.answered())
    committed = sum(max(offset, 0) for offset in pipeline.committed().values())
    assert committed >= finished, f"{finished} records are finished, {committed} committed"
    assert finished < count, "the worker finished before it was stopped"
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        worker.stop()
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


@pytest.mark.faults
def test_workers_join_and_leave(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    values = (number(x) for x in itertools.count(100))
    count = pipeline.produce(islice(values, 4000))
    with pipeline.worker() as first:
        first.await_answered(100)
        with pipeline.worker() as second:
            second.await_started()
            count += pipeline.produce_until(
                "the second worker has answered 200 records",
                lambda: second.accounts()["answered"] >= 200,
                values,
            )
            second.stop()
        pipeline.await_finished(count)
        first.await_drained()
        first.stop()
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


@pytest.mark.faults
def test_a_zombie_is_fenced(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(15000))
    with pipeline.worker() as zombie:
        zombie.await_answered(500)
        zombie.process.send_signal(signal.SIGSTOP)  # longer than the session of 6 s
        before = len(pipeline.answered())
        with pipeline.worker() as heir:
            pipeline.await_answered(before + 500)
            zombie.process.send_signal(signal.SIGCONT)
            pipeline.await_finished(count)
            heir.stop()
        zombie.stop()
        assert "another worker owns the partition now" in zombie.log_text()
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


def test_a_broker_restart_causes_no_repeats(tmp_path: Path) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = ExactlyOncePipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.1)
        # One commit every 2.5 s. A single node that goes down between the request for a commit and
        # its markers never writes them (docs/guarantees.md): here it goes down after a commit.
        pipeline.config.write_text(
            yaml.safe_dump(pipeline.settings() | {"commit_interval_seconds": 10})
        )
        count = pipeline.produce(number(100 + i) for i in range(6000))
        with pipeline.worker() as worker:
            worker.await_answered(1)
            broker.stop()
            time.sleep(5)
            assert worker.is_running(), worker.log_text()
            broker.start()
            # A slow machine starts it in half a minute; a transaction may stay open for another.
            pipeline.await_finished(count, timeout=180)
            worker.stop()
        assert_each_record_once(pipeline, count)
        assert_all_is_committed(pipeline)


def test_results_too_large_for_the_topic_become_dead_letters(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap)
    topic = f"{pipeline.name}.small"
    small = TopicSettings(partitions=4, config={"max.message.bytes": "1000"})
    create_topics(pipeline.kafka, {topic: small})
    settings = pipeline.settings()
    settings["agents"]["double"]["output"] = topic
    settings["agents"]["double"]["batch"]["max_batch_size"] = 8
    pipeline.config.write_text(yaml.safe_dump(settings))
    count = pipeline.produce(
        [number_with_long_source(i) if i in (7, 21) else number(100 + i) for i in range(40)],
        num_keys=1,
    )
    with pipeline.worker() as worker:
        worker.await_finished(count)
        accounts = worker.accounts()
        worker.stop()
    assert (accounts["answered"], accounts["dead_lettered"]) == (38, 2)
    offsets = [json.loads(m.value() or b"")["origin"]["offset"] for m in pipeline.read(topic)]
    assert sorted(offsets) == [offset for offset in range(count) if offset not in (7, 21)]
    assert {offset for _, offset in pipeline.refused()} == {7, 21}
    assert_all_is_committed(pipeline)


def number_with_long_source(i: int) -> bytes:
    """An event with a long `source_id`, which its result repeats."""
    return msgspec.json.encode({"x": i, "event_time_ms": 1, "source_id": "s" * 900})
