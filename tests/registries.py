"""Fixtures: a schema registry (Apicurio on a local JVM), one for all tests of a process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from agents.commands.registry import local_registry, registry_program
from streams.kafka.errors import BrokerError
from tests.conftest import skip_or_fail


def need_registry() -> None:
    """Skip (or fail) if this machine can't run the registry: no Java, no archive and no Maven."""
    if shutil.which("java") is None:
        skip_or_fail("Java is absent: `make tools` installs it")
    try:
        registry_program()
    except BrokerError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="session")
def registry_url() -> Iterator[str]:
    """The URL of a registry. Tests share its subjects: use names of their own."""
    need_registry()
    with local_registry() as registry:
        yield registry.bootstrap_servers
