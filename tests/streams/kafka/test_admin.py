"""Asking a cluster, making topics, and why it can't be used, on real brokers."""

from __future__ import annotations

import socket
import time

import pytest
from confluent_kafka import Producer

from streams.kafka.admin import (
    BrokerError,
    BrokerSettingsError,
    BrokerTlsError,
    BrokerUnreachableError,
    create_topics,
    ends,
    probe,
)
from streams.settings import TopicSettings


def test_a_probe_lists_topics_and_makes_none(bootstrap: str) -> None:
    kafka = {"bootstrap.servers": bootstrap, "group.id": "not for an admin client"}
    made = create_topics(kafka, {"probed": TopicSettings(partitions=4)})
    cluster = probe(kafka)
    assert made == ["probed"]
    assert cluster.topics["probed"] == 4
    assert cluster.num_brokers == 1
    assert probe(kafka).topics == cluster.topics


def test_existing_topics_are_left_as_they_are(bootstrap: str) -> None:
    kafka = {"bootstrap.servers": bootstrap}
    create_topics(kafka, {"first": TopicSettings(partitions=4)})
    again = {"first": TopicSettings(partitions=9), "second": TopicSettings(partitions=4)}
    assert create_topics(kafka, again) == ["second"]
    assert probe(kafka).topics["first"] == 4
    assert create_topics(kafka, again) == []


def test_the_embedded_broker_makes_4_partitions_whatever_is_asked(embedded_bootstrap: str) -> None:
    kafka = {"bootstrap.servers": embedded_bootstrap}
    assert probe(kafka).is_embedded
    create_topics(kafka, {"nine": TopicSettings(partitions=9)})
    assert probe(kafka).topics["nine"] == 4


@pytest.mark.kafka
def test_kafka_makes_topics_as_asked(kafka_bootstrap: str) -> None:
    kafka = {"bootstrap.servers": kafka_bootstrap}
    assert not probe(kafka).is_embedded
    create_topics(kafka, {"nine": TopicSettings(partitions=9, config={"retention.ms": "60000"})})
    assert probe(kafka).topics["nine"] == 9


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (TopicSettings(replication_factor=3), "replication factor"),
        (TopicSettings(config={"no.such": "1"}), "no.such"),
    ],
)
def test_a_topic_that_kafka_refuses_is_named(
    kafka_bootstrap: str, settings: TopicSettings, reason: str
) -> None:
    with pytest.raises(BrokerError, match=r"can't create topic refused: ") as caught:
        create_topics({"bootstrap.servers": kafka_bootstrap}, {"refused": settings})
    assert reason in str(caught.value)


def test_a_refused_connection_is_told_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        servers = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(BrokerUnreachableError, match=r"Connection refused") as caught:
            probe({"bootstrap.servers": servers}, timeout=0.6)
    assert servers in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_host_is_told_by_name() -> None:
    with pytest.raises(BrokerUnreachableError, match=r"Failed to resolve 'no-such-host\.invalid"):
        probe({"bootstrap.servers": "no-such-host.invalid:9092"}, timeout=2)


def test_a_server_that_says_nothing_runs_into_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BrokerUnreachableError, match=r"no answer in time"):
            probe({"bootstrap.servers": servers}, timeout=0.6)
    assert time.monotonic() - started < 3


def test_tls_with_a_plain_broker_is_told_at_once(embedded_bootstrap: str) -> None:
    started = time.monotonic()
    kafka = {"bootstrap.servers": embedded_bootstrap, "security.protocol": "SSL"}
    with pytest.raises(BrokerTlsError, match=r"PLAINTEXT broker listener.*security\.protocol"):
        probe(kafka, timeout=20)
    assert time.monotonic() - started < 5


def test_a_setting_that_librdkafka_refuses_is_told() -> None:
    with pytest.raises(BrokerSettingsError, match=r'No such configuration property: "no\.such"'):
        probe({"bootstrap.servers": "127.0.0.1:1", "no.such": 1})


def test_ends_are_counted_with_what_is_there(bootstrap: str) -> None:
    kafka = {"bootstrap.servers": bootstrap}
    create_topics(kafka, {"ends": TopicSettings(partitions=4)})
    producer = Producer(kafka)
    for _ in range(3):
        producer.produce("ends", b"x", partition=2)
    assert producer.flush(10) == 0
    assert ends(kafka, {"ends": 4}) == {("ends", p): 3 if p == 2 else 0 for p in range(4)}


def test_ends_of_a_broker_that_is_away_are_an_error() -> None:
    with pytest.raises(BrokerError, match="can't read the end offsets"):
        ends({"bootstrap.servers": "127.0.0.1:1"}, {"ends": 1}, timeout=0.5)
