"""Static members, outputs that are deleted, a reset by hand, and a broker upgrade, under load."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from agents.commands.broker import BrokerProcess, kafka_broker
from agents.commands.soak import Setup, Testbed
from agents.commands.soak.faults import FAULTS
from agents.process.exit import FENCED_EXIT_CODE
from streams.kafka.admin import create_topics, probe
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.faults.conftest import Report, open_testbed
from tests.faults.kafka_cluster import kafka_cluster, older_kafka_libs, upgrade

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
SEED = 11
BOTH = pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
#: A client that asks for a missing topic would have made it again by then.
_AWAY_SECONDS = 10.0


@pytest.fixture(scope="module")
def creating_broker() -> Iterator[BrokerProcess]:
    """An Apache Kafka that creates each topic that a client names: its default."""
    need_kafka()
    properties = {"auto.create.topics.enable": "true", "num.partitions": "1"}
    with kafka_broker(properties=properties) as broker:
        yield broker


@BOTH
def test_outputs_are_deleted_on_a_broker_that_creates_topics(
    tmp_path: Path, creating_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    """They are deleted before the first result, so that the audit can still prove every record."""
    kafka = {"bootstrap.servers": creating_broker.bootstrap_servers}
    testbed = Testbed(Setup(kafka, creating_broker, guarantee), tmp_path)
    outputs = (testbed.output, testbed.dead_letters)
    try:
        for _ in range(2):
            testbed.add_worker()
        for worker in testbed.workers:
            worker.await_member()
        admin = AdminClient(dict(kafka))
        for deletion in admin.delete_topics(list(outputs)).values():
            deletion.result(20)
        testbed.load.start()
        time.sleep(_AWAY_SECONDS)
        assert not probe(kafka).topics.keys() & set(outputs), "a client created a topic"
        assert all(worker.is_alive for worker in testbed.workers)
        create_topics(kafka, dict.fromkeys(outputs, TopicSettings(partitions=4)))
        testbed.watch.start()
        testbed.await_progress(2_000)
        row = testbed.finish("output and dead-letter topic are deleted, and created again", 1)
    finally:
        testbed.close()
    report(row)


@BOTH
def test_processes_with_one_group_instance_id(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    kafka = {"bootstrap.servers": own_broker.bootstrap_servers, "group.instance.id": "w1"}
    setup = Setup(kafka, own_broker, guarantee, 1, worker_options=("--processes", "2"))
    testbed, rng = Testbed(setup, tmp_path), random.Random(SEED)
    try:
        testbed.begin()
        for fault in ("stop", "kill", "stop"):
            FAULTS[fault].act(testbed, rng)
            testbed.await_progress()
        row = testbed.finish("static members with --processes 2 are stopped and killed", 3)
    finally:
        testbed.close()
    report(row)


@BOTH
def test_a_second_worker_takes_a_group_instance_id(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    kafka = {"bootstrap.servers": own_broker.bootstrap_servers, "group.instance.id": "w1"}
    testbed = Testbed(Setup(kafka, own_broker, guarantee, num_workers=1), tmp_path)
    try:
        testbed.begin()
        for _ in range(2):
            (first,) = testbed.workers
            testbed.add_worker().await_member()
            assert first.wait(30.0) == FENCED_EXIT_CODE, first.last_lines()
            assert "another member has joined group" in first.last_lines()
            assert "Traceback" not in first.output()
            testbed.workers.remove(first)
            testbed.await_progress()
        row = testbed.finish("a second worker starts with the same group.instance.id", 2)
    finally:
        testbed.close()
    report(row)


def test_offsets_are_reset_by_hand_under_load(
    tmp_path: Path, own_broker: BrokerProcess, report: Report
) -> None:
    """The broker refuses while the group has members, so nothing changes."""
    with open_testbed(own_broker, tmp_path) as under_load:
        admin = AdminClient(dict(under_load.setup.kafka))
        for _ in range(3):
            start = [TopicPartition(under_load.name, partition, 0) for partition in range(4)]
            request = [ConsumerGroupTopicPartitions(under_load.name, start)]
            (altered,) = admin.alter_consumer_group_offsets(request).values()
            refusals = {tp.error and tp.error.code() for tp in altered.result(20).topic_partitions}
            assert refusals == {KafkaError.UNKNOWN_MEMBER_ID}
            under_load.await_progress()
        row = under_load.finish("the group's offsets are reset by hand while workers run", 3)
    report(row)
    assert row.duplicates == 0, row


@BOTH
def test_brokers_are_upgraded_one_by_one(tmp_path: Path, report: Report, guarantee: str) -> None:
    need_kafka()
    older = older_kafka_libs()
    with kafka_cluster(older) as nodes:
        kafka = {"bootstrap.servers": ",".join(node.bootstrap_servers for node in nodes)}
        testbed = Testbed(Setup(kafka, guarantee=guarantee), tmp_path)
        try:
            testbed.begin()
            for node in nodes:
                upgrade(node, older)
                testbed.await_progress(400)
            row = testbed.finish("the brokers are upgraded one by one", len(nodes))
        finally:
            testbed.close()
    report(row)
