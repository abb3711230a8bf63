"""Exactly once, on Apache Kafka: whatever happens to workers, a committed reader sees each once."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import msgspec
import pytest
import yaml

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.integration.committed import (
    ExactlyOncePipeline,
    assert_all_is_committed,
    assert_each_record_once,
)
from tests.integration.running import number, until

pytestmark = pytest.mark.kafka


def test_every_record_has_one_outcome(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap)
    values = [number(100 + i) if i % 50 else b"{bad" for i in range(4000)]
    values[77] = number(13)  # the model refuses it
    count = pipeline.produce(values)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        until(lambda: worker.accounts()["in_flight"] == 0)
        accounts = worker.accounts()
        assert worker.stop() == 0, worker.log.read_text()
    assert accounts["in"] == count
    assert accounts["dead_lettered"] == 81
    assert accounts["answered"] == count - 81
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


def test_killed_at_random_moments(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(7000))
    moments = random.Random(5)
    for _ in range(3):
        with pipeline.worker() as worker:
            until(lambda: "metrics at" in worker.log.read_text())
            until(lambda: worker.accounts()["answered"] > 0)
            time.sleep(moments.uniform(0.0, 0.8))
            worker.kill()
    assert sum(pipeline.outcomes().values()) < count  # it was killed under way
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        assert worker.stop() == 0
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


def test_a_stop_under_load_leaves_nothing_half_done(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(6000))
    with pipeline.worker() as worker:
        until(lambda: "metrics at" in worker.log.read_text())
        until(lambda: worker.accounts()["answered"] > 500)
        assert worker.stop() == 0
    finished = len(pipeline.answered())
    assert sum(max(at, 0) for at in pipeline.committed().values()) >= finished
    assert finished < count
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        assert worker.stop() == 0
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


@pytest.mark.faults
def test_workers_come_and_go(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(20000))
    with pipeline.worker() as first:
        until(lambda: "metrics at" in first.log.read_text())
        until(lambda: first.accounts()["answered"] > 100)
        with pipeline.worker() as second:
            until(lambda: second.log.read_text().count("metrics at") > 0)
            until(lambda: second.accounts()["answered"] > 200)
            assert second.stop() == 0
        pipeline.await_finished(count)
        until(lambda: first.accounts()["in_flight"] == 0)
        assert first.stop() == 0
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


@pytest.mark.faults
def test_a_zombie_is_fenced(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(15000))
    with pipeline.worker() as zombie:
        until(lambda: "metrics at" in zombie.log.read_text())
        until(lambda: zombie.accounts()["answered"] > 500)
        zombie.process.send_signal(signal.SIGSTOP)  # longer than the session of 6 s
        before = len(pipeline.answered())
        with pipeline.worker() as heir:
            until(lambda: len(pipeline.answered()) > before + 500)
            zombie.process.send_signal(signal.SIGCONT)
            pipeline.await_finished(count)
            assert heir.stop() == 0
        assert zombie.stop() == 0
        assert "another worker has taken over" in zombie.log.read_text()
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)


def test_a_broker_that_restarts_doubles_nothing(tmp_path: Path) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = ExactlyOncePipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.1)
        count = pipeline.produce(number(100 + i) for i in range(6000))
        with pipeline.worker() as worker:
            until(lambda: "metrics at" in worker.log.read_text())
            until(lambda: worker.accounts()["answered"] > 500)
            broker.stop()
            time.sleep(5)
            assert worker.process.poll() is None
            broker.start()
            pipeline.await_finished(count)
            assert worker.stop() == 0, worker.log.read_text()
        assert_each_record_once(pipeline, count)
        assert_all_is_committed(pipeline)


def test_results_that_their_topic_refuses_become_dead_letters(
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
        [long_key(i) if i in (7, 21) else number(100 + i) for i in range(40)], num_keys=1
    )
    with pipeline.worker() as worker:
        until(lambda: "metrics at" in worker.log.read_text())
        until(lambda: sum(worker.accounts()[k] for k in ("answered", "dead_lettered")) == count)
        accounts = worker.accounts()
        assert worker.stop() == 0, worker.log.read_text()
    assert (accounts["answered"], accounts["dead_lettered"]) == (38, 2)
    origins = [json.loads(m.value() or b"")["origin"]["offset"] for m in pipeline.read(topic)]
    assert sorted(origins) == [at for at in range(count) if at not in (7, 21)]
    assert {at for _, at in pipeline.refused()} == {7, 21}
    assert_all_is_committed(pipeline)


def long_key(i: int) -> bytes:
    """An event whose result is as large as its source's name."""
    return msgspec.json.encode({"x": i, "event_time_ms": 1, "source_id": "s" * 900})
