"""`penstock lag` on Apache Kafka: members, removed records, a topic that was made again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.integration.pipelines import Pipeline, number
from tests.penstock_command import run_penstock
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


def lag_of(pipeline: Pipeline) -> dict[str, Any]:
    done = run_penstock("lag", "-c", str(pipeline.config), "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def pipeline(tmp_path: Path, kafka_bootstrap: str) -> Pipeline:
    """A pipeline whose worker has answered 40 records and is gone."""
    made = Pipeline(tmp_path, kafka_bootstrap, partitions=2)
    made.produce(number(x) for x in range(20, 60))
    with made.worker() as worker:
        worker.await_answered(40)
        wait_until("all is committed", lambda: lag_of(made)["lag_records"] == 0)
        assert lag_of(made)["num_members"] == 1
        worker.stop()
    return made


def test_what_waits_when_the_last_worker_is_gone(pipeline: Pipeline) -> None:
    pipeline.produce(number(x) for x in range(100, 150))
    time.sleep(1.0)
    lag = lag_of(pipeline)
    assert (lag["lag_records"], lag["num_members"]) == (50, 0)
    assert all(p["is_exact"] for p in lag["partitions"])
    assert all(1.0 <= p["lag_seconds"] < 300 for p in lag["partitions"] if p["lag_records"])


def test_records_that_are_removed_before_they_are_read(pipeline: Pipeline) -> None:
    before = pipeline.committed()
    pipeline.produce(number(x) for x in range(100, 150))
    admin = AdminClient({"bootstrap.servers": pipeline.bootstrap})
    ends = {p["partition"]: p["end"] for p in lag_of(pipeline)["partitions"]}
    cut = [TopicPartition(pipeline.input, p, end - 1) for p, end in ends.items()]
    for done in admin.delete_records(cut).values():
        done.result()
    lag = lag_of(pipeline)
    assert lag["lag_records"] == 2
    removed = {p["partition"]: p["removed"] for p in lag["partitions"]}
    assert removed == {p: end - 1 - before[p] for p, end in ends.items()}


def test_a_commit_of_an_earlier_topic_is_no_position(pipeline: Pipeline) -> None:
    admin = AdminClient({"bootstrap.servers": pipeline.bootstrap})
    admin.delete_topics([pipeline.input])[pipeline.input].result()
    wait_until("the topic is deleted", lambda: pipeline.input not in admin.list_topics().topics)
    missing = run_penstock("lag", "-c", str(pipeline.config))
    assert missing.returncode == 1
    assert f"missing: the broker has no topic {pipeline.input}" in missing.stdout
    create_topics(pipeline.kafka, {pipeline.input: TopicSettings(partitions=2)})
    pipeline.produce(number(x) for x in range(100, 200))
    lag = lag_of(pipeline)
    assert lag["lag_records"] == 100
    # Newer brokers delete a group's offsets with the topic; then there is none at all.
    assert all(p["is_other_topic"] or p["committed"] is None for p in lag["partitions"])


def test_a_cluster_whose_first_group_this_is(tmp_path: Path) -> None:
    """Its coordinator is not there yet: an answer on which librdkafka's admin client crashes."""
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, partitions=2)
        assert lag_of(pipeline)["lag_records"] == 0
