"""Cluster metadata, topic creation and their error messages, on real brokers."""

from __future__ import annotations

import socket
import time

import pytest
from confluent_kafka import Producer

from streams.kafka.admin import create_topics, ends, probe
from streams.kafka.errors import (
    BrokerError,
    BrokerSettingsError,
    BrokerTlsError,
    BrokerUnreachableError,
)
from streams.settings import TopicSettings


def test_a_probe_lists_topics_and_creates_none(bootstrap: str) -> None:
    kafka = {"bootstrap.servers": bootstrap, "group.id": "not for an admin client"}
    made = create_topics(kafka, {"probed": TopicSettings(partitions=4)})
    cluster = probe(kafka)
    assert made == ["probed"]
    assert cluster.topics["probed"] == 4
    assert cluster.num_brokers == 1
    assert probe(kafka).topics == cluster.topics


def test_existing_topics_are_not_changed(bootstrap: str) -> None:
    kafka = {"bootstrap.servers": bootstrap}
    create_topics(kafka, {"first": TopicSettings(partitions=4)})
    again = {"first": TopicSettings(partitions=9), "second": TopicSettings(partitions=4)}
    assert create_topics(kafka, again) == ["second"]
    assert probe(kafka).topics["first"] == 4
    assert create_topics(kafka, again) == []


def test_the_embedded_broker_always_creates_4_partitions(embedded_bootstrap: str) -> None:
    kafka = {"bootstrap.servers": embedded_bootstrap}
    assert probe(kafka).is_embedded
    create_topics(kafka, {"nine": TopicSettings(partitions=9)})
    assert probe(kafka).topics["nine"] == 4


@pytest.mark.kafka
def test_kafka_creates_topics_with_their_settings(kafka_bootstrap: str) -> None:
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
def test_the_error_names_a_topic_that_kafka_rejects(
    kafka_bootstrap: str, settings: TopicSettings, reason: str
) -> None:
    with pytest.raises(BrokerError, match=r"can't create topic refused: ") as caught:
        create_topics({"bootstrap.servers": kafka_bootstrap}, {"refused": settings})
    assert reason in str(caught.value)


def test_a_refused_connection_gives_a_one_line_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        servers = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(BrokerUnreachableError, match=r"Connection refused") as caught:
            probe({"bootstrap.servers": servers}, timeout=0.6)
    assert servers in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_error_names_an_unknown_host() -> None:
    with pytest.raises(BrokerUnreachableError, match=r"Failed to resolve 'no-such-host\.invalid"):
        probe({"bootstrap.servers": "no-such-host.invalid:9092"}, timeout=2)


def test_a_silent_server_runs_into_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BrokerUnreachableError, match=r"no answer in time"):
            probe({"bootstrap.servers": servers}, timeout=0.6)
    assert time.monotonic() - started < 3


def test_tls_to_a_plaintext_broker_fails_at_once(embedded_bootstrap: str) -> None:
    started = time.monotonic()
    kafka = {"bootstrap.servers": embedded_bootstrap, "security.protocol": "SSL"}
    with pytest.raises(BrokerTlsError, match=r"PLAINTEXT broker listener.*security\.protocol"):
        probe(kafka, timeout=20)
    assert time.monotonic() - started < 5


def test_the_error_names_a_setting_that_librdkafka_rejects() -> None:
    with pytest.raises(BrokerSettingsError, match=r'No such configuration property: "no\.such"'):
        probe({"bootstrap.servers": "127.0.0.1:1", "no.such": 1})


def test_ends_are_the_offsets_after_the_last_record(bootstrap: str) -> None:
    kafka = {"bootstrap.servers": bootstrap}
    create_topics(kafka, {"ends": TopicSettings(partitions=4)})
    producer = Producer(kafka)
    for _ in range(3):
        producer.produce("ends", b"x", partition=2)
    assert producer.flush(10) == 0
    assert ends(kafka, {"ends": 4}) == {("ends", p): 3 if p == 2 else 0 for p in range(4)}


def test_ends_of_an_unreachable_broker_are_an_error() -> None:
    with pytest.raises(BrokerError, match="can't read end offsets"):
        ends({"bootstrap.servers": "127.0.0.1:1"}, {"ends": 1}, timeout=0.5)
