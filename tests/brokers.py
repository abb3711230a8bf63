"""Fixtures: an embedded broker and an Apache Kafka, one of each for all tests of a process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from agents.commands.broker import embedded_broker, kafka_broker, kafka_libs
from streams.kafka.errors import BrokerError
from tests.conftest import skip_or_fail


def need_kafka() -> None:
    """Skip (or fail) if this machine can't run Apache Kafka: no Java, or no jars and no Maven."""
    if shutil.which("java") is None:
        skip_or_fail("Java is absent: `make tools` installs it")
    try:
        kafka_libs()
    except BrokerError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="session")
def embedded_bootstrap() -> Iterator[str]:
    """The address of an embedded broker, which keeps about 5 MB a partition."""
    with embedded_broker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of an Apache Kafka. Tests that use it have the marker `kafka`."""
    need_kafka()
    with kafka_broker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """The address of each broker in turn. Tests share its topics: use names of their own."""
    address: str = request.getfixturevalue(f"{request.param}_bootstrap")
    return address
