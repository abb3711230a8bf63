"""What must survive: kills, stops under load, workers that come and go, slow models, a broker gone.

Each ends with the same question: has every input record its answer, in order per key?
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.integration.running import Pipeline, number, until

pytestmark = pytest.mark.kafka


def assert_nothing_is_lost(pipeline: Pipeline, count: int) -> dict[str, int]:
    """Every input record is answered, repeats are equal, and first answers are in order."""
    answered = pipeline.answered()
    assert len(answered) == count
    assert all(len(set(answers)) == 1 for answers in answered.values())
    latest: dict[bytes | None, float] = defaultdict(float)
    seen: set[str] = set()
    repeats = 0
    for message in pipeline.read(pipeline.output):
        value = json.loads(message.value() or b"")
        result_id = dict(message.headers() or [])["ce_id"].decode()
        if result_id in seen:
            repeats += 1
            continue
        seen.add(result_id)
        assert value["y"] > latest[message.key()]
        latest[message.key()] = value["y"]
    return {"repeats": repeats}


def test_a_killed_worker_loses_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    count = pipeline.produce(number(100 + i) for i in range(8000))
    for _ in range(3):
        before = len(pipeline.answered())
        with pipeline.worker() as worker:
            until(lambda: len(pipeline.answered()) > before + 500)  # noqa: B023
            worker.kill()
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        assert worker.stop() == 0
    assert_nothing_is_lost(pipeline, count)


def test_a_stop_under_load_repeats_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.02)
    count = pipeline.produce(number(100 + i) for i in range(6000))
    with pipeline.worker() as worker:
        until(lambda: len(pipeline.answered()) > 500)
        assert worker.stop() == 0
    assert len(pipeline.answered()) < count
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        assert worker.stop() == 0
    assert assert_nothing_is_lost(pipeline, count) == {"repeats": 0}


def test_workers_come_and_go_under_load(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    count = pipeline.produce(number(100 + i) for i in range(12000))
    with pipeline.worker() as first:
        until(lambda: len(pipeline.answered()) > 500)
        with pipeline.worker() as second:
            until(lambda: second.log.read_text().count("metrics at") > 0)
            until(lambda: second.accounts()["answered"] > 500)
            assert second.stop() == 0
        pipeline.await_finished(count)
        accounts = first.accounts()
        assert first.stop() == 0
    assert accounts["in_flight"] == 0
    assert assert_nothing_is_lost(pipeline, count) == {"repeats": 0}


def test_a_model_slower_than_the_session_keeps_its_place(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=8.0)  # the session: 6 s
    count = pipeline.produce((number(100 + i) for i in range(60)), num_keys=1)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        until(lambda: worker.accounts()["in_flight"] == 0)
        assert worker.accounts()["answered"] == count
        assert worker.stop() == 0
    assert assert_nothing_is_lost(pipeline, count) == {"repeats": 0}


def test_a_broker_that_restarts_is_waited_for(tmp_path: Path) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        first = pipeline.produce(number(100 + i) for i in range(4000))
        with pipeline.worker() as worker:
            until(lambda: len(pipeline.answered()) > 500)
            broker.stop()
            time.sleep(5)
            assert worker.process.poll() is None
            broker.start()
            second = pipeline.produce(number(10_000 + i) for i in range(500))
            pipeline.await_finished(first + second)
            assert worker.stop() == 0, worker.log.read_text()
        assert_nothing_is_lost(pipeline, first + second)


def test_a_worker_whose_output_is_refused_for_good_ends_and_says_why(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    limit = TopicSettings(partitions=4, config={"max.message.bytes": "300"})
    settings = pipeline.settings()
    settings["agents"]["double"]["dead_letters"] = f"{pipeline.name}.small"
    pipeline.config.write_text(yaml.safe_dump(settings))
    create_topics(pipeline.kafka, {f"{pipeline.name}.small": limit})
    pipeline.produce([number(1), b"{bad", number(2)], num_keys=1)
    with pipeline.worker() as worker:
        assert worker.process.wait(timeout=40) == 1
    log = worker.log.read_text()
    assert "Traceback" not in log
    (line,) = (line for line in log.splitlines() if "the worker ends" in line)
    assert f"{pipeline.name}.small" in line
    assert max(pipeline.committed().values()) <= 1
