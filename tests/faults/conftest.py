"""Print a report of the fault tests at the end of a run and write it to `out/faults.*`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.commands.broker import BrokerProcess, kafka_broker
from agents.commands.soak import FaultRow, Setup, Testbed, rows_as_markdown, rows_as_text
from tests.brokers import need_kafka
from tests.conftest import REPO

_ROWS = pytest.StashKey[list[FaultRow]]()

Report = Callable[[FaultRow], None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Adds a row to the report, and fails the test if the row is not proven."""

    def take(row: FaultRow) -> None:
        request.config.stash[_ROWS].append(row)
        assert row.is_proven, "\n".join([f"{row}", *row.complaints])

    return take


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash[_ROWS]
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(rows_as_text(rows))
    folder = REPO / "out"
    folder.mkdir(exist_ok=True)
    (folder / "faults.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    (folder / "faults.md").write_text(rows_as_markdown(rows))


@pytest.fixture(scope="session")
def own_broker() -> Iterator[BrokerProcess]:
    """An Apache Kafka that tests may restart; each test leaves it running."""
    need_kafka()
    with kafka_broker() as broker:
        yield broker


@contextmanager
def open_testbed(broker: BrokerProcess, folder: Path, **setup: Any) -> Iterator[Testbed]:
    """Run a testbed for the length of a `with` block."""
    kafka = {"bootstrap.servers": broker.bootstrap_servers}
    made = Testbed(Setup(kafka, broker, **setup), folder)
    try:
        made.begin()
        yield made
    finally:
        made.close()
