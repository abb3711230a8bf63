"""Translating settings from librdkafka's names for each client library, and clear errors."""

from __future__ import annotations

import inspect
import ssl
import subprocess
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.kafka.errors import BrokerSettingsError
from streams.kafka.settings import SETTINGS, aiokafka_arguments, confluent_config, redacted

KAFKA: dict[str, str | int | float | bool] = {
    "bootstrap.servers": "broker-1:9092,broker-2:9092",
    "client.id": "penstock",
    "group.id": "g",
    "session.timeout.ms": 6000,
    "auto.offset.reset": "earliest",
    "compression.type": "gzip",
    "linger.ms": "5",
    "acks": "all",
    "socket.timeout.ms": 7000,
}


def test_consumer_settings_are_translated_to_aiokafka_s_names() -> None:
    assert aiokafka_arguments(KAFKA, "consumer") == {
        "bootstrap_servers": "broker-1:9092,broker-2:9092",
        "client_id": "penstock",
        "request_timeout_ms": 7000,
        "group_id": "g",
        "session_timeout_ms": 6000,
        "auto_offset_reset": "earliest",
    }


def test_producer_settings_are_translated_to_aiokafka_s_names() -> None:
    assert aiokafka_arguments(KAFKA, "producer") == {
        "bootstrap_servers": "broker-1:9092,broker-2:9092",
        "client_id": "penstock",
        "request_timeout_ms": 7000,
        "compression_type": "gzip",
        "linger_ms": 5,
        "acks": "all",
    }


def test_aiokafka_has_every_translated_setting() -> None:
    consumer = inspect.signature(AIOKafkaConsumer.__init__).parameters
    producer = inspect.signature(AIOKafkaProducer.__init__).parameters
    for name, setting in SETTINGS.items():
        assert "consumer" not in setting.roles or setting.name in consumer, name
        assert "producer" not in setting.roles or setting.name in producer, name


def test_librdkafka_gets_the_settings_of_its_role_only() -> None:
    assert "group.id" not in confluent_config(KAFKA, "producer")
    assert "linger.ms" not in confluent_config(KAFKA, "consumer")
    assert set(confluent_config(KAFKA, "admin")) == {
        "bootstrap.servers",
        "client.id",
        "socket.timeout.ms",
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("nosuch.setting", 1, "nosuch.setting is not supported: expected one of acks, "),
        ("enable.auto.commit", True, "can't be set: Penstock commits offsets itself"),
        ("session.timeout.ms", "soon", "session.timeout.ms is 'soon': expected a whole number"),
        ("acks", 3, "acks is '3': expected 0, 1 or all"),
        ("check.crcs", "maybe", "check.crcs is 'maybe': expected true or false"),
        ("security.protocol", "tls", "expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("sasl.mechanism", "LDAP", "expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHB"),
    ],
)
def test_the_error_of_a_wrong_setting_says_what_was_expected(
    name: str, value: str | int | bool, message: str
) -> None:
    for role in ("consumer", "producer"):
        with pytest.raises(ValueError, match=r"^kafka: ") as caught:
            aiokafka_arguments({"bootstrap.servers": "b:1", name: value}, role)
        assert message in str(caught.value)


def test_missing_bootstrap_servers_are_an_error() -> None:
    for kafka in ({}, {"bootstrap.servers": " "}):
        with pytest.raises(BrokerSettingsError, match=r"bootstrap\.servers is missing"):
            confluent_config(kafka, "admin")


def test_secrets_are_redacted() -> None:
    kafka: dict[str, str | int | float | bool] = {
        "bootstrap.servers": "b:1",
        "sasl.username": "alice",
        "sasl.password": "hunter2",
        "ssl.key.password": "hunter3",
        "ssl.key.pem": "hunter4",
        "sasl.oauthbearer.client.secret": "hunter5",
    }
    shown = redacted(kafka)
    assert "hunter" not in repr(shown)
    assert shown["sasl.username"] == "alice"
    assert list(shown) == list(kafka)


def test_sasl_over_tls_has_credentials_and_a_context() -> None:
    kafka = {
        "bootstrap.servers": "b:1",
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "scram-sha-512",
        "sasl.username": "alice",
        "sasl.password": "s",
    }
    arguments = aiokafka_arguments(kafka, "producer")
    context = arguments.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert arguments == {
        "bootstrap_servers": "b:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "alice",
        "sasl_plain_password": "s",
    }


def test_tls_verification_is_disabled_only_by_its_setting() -> None:
    kafka = {"bootstrap.servers": "b:1", "security.protocol": "SSL"}
    loose = {**kafka, "ssl.endpoint.identification.algorithm": "none"}
    context = aiokafka_arguments(loose, "consumer")["ssl_context"]
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    off = {**kafka, "enable.ssl.certificate.verification": "false"}
    assert aiokafka_arguments(off, "consumer")["ssl_context"].verify_mode is ssl.CERT_NONE
    typo = {**kafka, "enable.ssl.certificate.verification": "flase"}
    with pytest.raises(BrokerSettingsError, match=r"verification is 'flase'"):
        aiokafka_arguments(typo, "consumer")
    other = {**kafka, "ssl.endpoint.identification.algorithm": "http"}
    with pytest.raises(BrokerSettingsError, match=r"algorithm is 'http': expected https or none"):
        aiokafka_arguments(other, "consumer")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key, under the password `right`."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "client.pem", folder / "client.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=client"
    command += f" -passout pass:right -out {certificate} -keyout {key}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return certificate, key


def test_a_client_certificate_needs_the_right_password(certificate: tuple[Path, Path]) -> None:
    kafka = {
        "bootstrap.servers": "b:1",
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificate[0]),
        "ssl.certificate.location": str(certificate[0]),
        "ssl.key.location": str(certificate[1]),
        "ssl.key.password": "right",
    }
    trusted = aiokafka_arguments(kafka, "consumer")["ssl_context"].get_ca_certs()
    assert [entry["subject"] for entry in trusted] == [((("commonName", "client"),),)]
    for password in ("wrong", ""):
        with pytest.raises(BrokerSettingsError, match=r"check .*ssl\.key\.password") as caught:
            aiokafka_arguments({**kafka, "ssl.key.password": password}, "consumer")
        assert "wrong" not in str(caught.value)


def test_a_tls_file_must_exist_and_be_pem(tmp_path: Path) -> None:
    kafka = {"bootstrap.servers": "b:1", "security.protocol": "SSL"}
    absent = {**kafka, "ssl.ca.location": str(tmp_path / "ca.pem")}
    with pytest.raises(BrokerSettingsError, match=r"ssl\.ca\.location names no file"):
        aiokafka_arguments(absent, "consumer")
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(BrokerSettingsError, match=r"not a file of PEM certificates"):
        aiokafka_arguments(absent, "consumer")
