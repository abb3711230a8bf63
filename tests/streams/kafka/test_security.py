"""TLS and passwords, on an Apache Kafka that requires both."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics, probe
from streams.kafka.errors import BrokerLoginError, BrokerTlsError, BrokerUnreachableError
from streams.kafka.settings import aiokafka_arguments
from streams.settings import TopicSettings
from tests.brokers import need_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("security")]  # one broker for all
Kafka = dict[str, str | int | float | bool]

_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required "
_LOGIN += 'username="broker" password="b" user_broker="b" user_alice="right";'


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a key store for the broker and what clients trust, made by Java's keytool."""
    store, trusted = folder / "broker.p12", folder / "ca.pem"
    common = f"-keystore {store} -storepass secret -alias broker"
    make = f"keytool -genkeypair -keyalg EC -dname CN=broker -ext san=ip:127.0.0.1 {common}"
    subprocess.run(make.split(), check=True, capture_output=True)
    export = f"keytool -exportcert -rfc -file {trusted} {common}"
    subprocess.run(export.split(), check=True, capture_output=True)
    return store, trusted


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Client settings that a broker with SASL_SSL accepts."""
    need_kafka()
    store, trusted = make_certificate(tmp_path_factory.mktemp("tls"))
    properties = {
        "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": _LOGIN,
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": "secret",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(trusted),
    }
    with kafka_broker(properties=properties) as broker:
        yield {
            "bootstrap.servers": broker.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "alice",
            "sasl.password": "right",
            "ssl.ca.location": str(trusted),
        }


def test_the_right_password_is_accepted(secured: Kafka) -> None:
    assert create_topics(secured, {"let-in": TopicSettings()}) == ["let-in"]
    assert probe(secured).topics["let-in"] == 4


async def test_aiokafka_connects_with_the_same_settings(secured: Kafka) -> None:
    create_topics(secured, {"secret": TopicSettings(partitions=1)})
    kafka = {**secured, "auto.offset.reset": "earliest", "compression.type": "zstd"}
    async with AIOKafkaProducer(**aiokafka_arguments(kafka, "producer")) as producer:
        await producer.send_and_wait("secret", b"word")
    async with AIOKafkaConsumer("secret", **aiokafka_arguments(kafka, "consumer")) as consumer:
        assert (await consumer.getone()).value == b"word"


def test_a_wrong_password_is_an_error_within_seconds(secured: Kafka) -> None:
    started = time.monotonic()
    with pytest.raises(
        BrokerLoginError, match=r"rejects the login.*check sasl\.username"
    ) as caught:
        probe({**secured, "sasl.password": "wrong"}, timeout=30)
    assert time.monotonic() - started < 6
    assert "wrong" not in str(caught.value)


def test_an_unknown_certificate_authority_is_a_tls_error(secured: Kafka) -> None:
    kafka = {name: value for name, value in secured.items() if name != "ssl.ca.location"}
    with pytest.raises(BrokerTlsError, match=r"certificate verify failed.*ssl\.ca\.location"):
        probe(kafka, timeout=30)


def test_plain_text_to_a_tls_listener_hints_at_the_protocol(secured: Kafka) -> None:
    plain = {"bootstrap.servers": secured["bootstrap.servers"]}
    with pytest.raises(BrokerUnreachableError, match=r"security\.protocol"):
        probe(plain, timeout=2)
