"""Kills, stops under load, workers that join and leave, slow models, a broker restart.

Each test ends with the same check: every input record has its answer, in order per key.
"""

from __future__ import annotations

import itertools
import time
from itertools import islice
from pathlib import Path

import pytest
import yaml

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.integration.outcomes import assert_no_repeats, assert_nothing_is_lost, line_with
from tests.integration.pipelines import Pipeline, number

pytestmark = pytest.mark.kafka


def test_a_killed_worker_loses_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    count = pipeline.produce(number(100 + i) for i in range(8000))
    for _ in range(3):
        before = len(pipeline.answered())
        with pipeline.worker() as worker:
            pipeline.await_answered(before + 500)
            worker.kill()
    with pipeline.worker() as worker:
        worker.await_started()  # the killed ones may have answered all
        pipeline.await_finished(count)
        worker.stop()
    assert_nothing_is_lost(pipeline, count)


def test_a_stop_under_load_repeats_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.02)
    count = pipeline.produce(number(100 + i) for i in range(6000))
    with pipeline.worker() as worker:
        pipeline.await_answered(500)
        worker.stop()
    assert len(pipeline.answered()) < count, "the worker finished before it was stopped"
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        worker.stop()
    assert_no_repeats(pipeline, count)


def test_workers_join_and_leave_under_load(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.1)
    values = (number(x) for x in itertools.count(100))
    count = pipeline.produce(islice(values, 4000))
    with pipeline.worker() as first:
        pipeline.await_answered(500)
        with pipeline.worker() as second:
            second.await_started()
            count += pipeline.produce_until(
                "the second worker has answered 500 records",
                lambda: second.accounts()["answered"] >= 500,
                values,
            )
            second.stop()
        pipeline.await_finished(count)
        accounts = first.accounts()
        first.stop()
    assert accounts["in_flight"] == 0
    assert_no_repeats(pipeline, count)


def test_a_model_slower_than_the_session_stays_in_the_group(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=8.0)  # session: 6 s
    count = pipeline.produce((number(100 + i) for i in range(60)), num_keys=1)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        worker.await_drained()
        assert worker.accounts()["answered"] == count
        worker.stop()
    assert_no_repeats(pipeline, count)


def test_a_worker_waits_for_a_broker_that_restarts(tmp_path: Path) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        first = pipeline.produce(number(100 + i) for i in range(4000))
        with pipeline.worker() as worker:
            pipeline.await_answered(500)
            broker.stop()
            time.sleep(5)
            assert worker.is_running(), worker.log_text()
            broker.start()
            second = pipeline.produce(number(10_000 + i) for i in range(500))
            pipeline.await_finished(first + second)
            worker.stop()
        assert_nothing_is_lost(pipeline, first + second)


def test_a_worker_ends_when_its_dead_letter_is_refused(
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
        log = worker.await_exit(1, timeout=40)
    assert f"{pipeline.name}.small" in line_with(log, "the worker ends")
    assert max(pipeline.committed().values()) <= 1
