"""Fixtures: the brokers that tests talk to, one of each for a whole run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from agents.commands.broker import embedded_broker, kafka_broker, kafka_libs
from streams.kafka.errors import BrokerError
from tests.conftest import skip_or_fail


def need_kafka() -> None:
    """Skip (or fail) where this machine can't run Apache Kafka: no Java, no jars and no Maven."""
    if shutil.which("java") is None:
        skip_or_fail("Java is absent: `make tools` installs it")
    try:
        kafka_libs()
    except BrokerError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="session")
def embedded_bootstrap() -> Iterator[str]:
    """The address of an embedded broker. Mind its limits: about 5 MB a partition."""
    with embedded_broker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a real Apache Kafka. Tests that ask for it carry the marker `kafka`."""
    need_kafka()
    with kafka_broker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """The address of each broker in turn; topics are shared, so name yours after your test."""
    address: str = request.getfixturevalue(f"{request.param}_bootstrap")
    return address
