"""Make aiokafka's TLS context from librdkafka's `ssl.*` settings."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from streams.kafka.errors import BrokerSettingsError

if TYPE_CHECKING:
    from streams.kafka.settings import Kafka

#: The settings that make up an `ssl.SSLContext`.
TLS_SETTINGS = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
)


def is_true(value: object) -> bool:
    """Return the value of a true/false setting.

    Raises:
        ValueError: the value is neither true nor false.
    """
    if str(value).lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return str(value).lower() == "true"


def ssl_context(kafka: Kafka) -> ssl.SSLContext:
    """Return the TLS context of the `ssl.*` settings.

    Raises:
        BrokerSettingsError: a file is missing or is not PEM, the password of a key is wrong, or a
            setting has a wrong value.
    """
    context = _trusting(_file(kafka, "ssl.ca.location"))
    context.check_hostname = _checks_names(kafka)
    if not _verifies(kafka):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_own_certificate(context, kafka)
    return context


def _checks_names(kafka: Kafka) -> bool:
    algorithm = str(kafka.get("ssl.endpoint.identification.algorithm", "https"))
    if algorithm.lower() not in ("https", "none"):
        raise BrokerSettingsError(
            f"kafka: ssl.endpoint.identification.algorithm is {algorithm!r}: expected https or none"
        )
    return algorithm.lower() == "https"


def _verifies(kafka: Kafka) -> bool:
    value = kafka.get("enable.ssl.certificate.verification", True)
    try:
        return is_true(value)
    except ValueError as error:
        raise BrokerSettingsError(
            f"kafka: enable.ssl.certificate.verification is {value!r}: {error}"
        ) from None


def _trusting(authorities: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except ssl.SSLError as error:
        raise BrokerSettingsError(
            f"kafka: ssl.ca.location is not a file of PEM certificates: {authorities}: "
            f"{error.reason}"
        ) from None


def _load_own_certificate(context: ssl.SSLContext, kafka: Kafka) -> None:
    certificate = _file(kafka, "ssl.certificate.location")
    if certificate is None:
        return
    key = _file(kafka, "ssl.key.location")
    # Without a password, OpenSSL would ask on the terminal, which a worker does not have.
    password = str(kafka.get("ssl.key.password", ""))
    try:
        context.load_cert_chain(certificate, key, password=lambda: password)
    except ssl.SSLError as error:
        raise BrokerSettingsError(
            f"kafka: can't load {certificate} with {key or 'the key in it'}: {error.reason}: check "
            "ssl.certificate.location, ssl.key.location and ssl.key.password"
        ) from None


def _file(kafka: Kafka, name: str) -> str | None:
    if name not in kafka:
        return None
    path = Path(str(kafka[name])).expanduser()
    if not path.is_file():
        raise BrokerSettingsError(f"kafka: {name} names no file: {path}")
    return str(path)
