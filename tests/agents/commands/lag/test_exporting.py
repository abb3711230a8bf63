"""Metrics and probes of the latest reading; none when it is old or failed."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry

from agents.commands.lag.exporting import LagExporter, read_until_stopped, registry_of
from agents.commands.lag.report import LagReport, PartitionLag
from streams.kafka.errors import BrokerError


def report(*lags: int, agent: str = "count", missing: tuple[str, ...] = ()) -> LagReport:
    return LagReport(
        group="g", isolation="read_committed", num_members=0, members=[],
        partitions=[
            PartitionLag(agent=agent, topic="numbers", partition=i, lag_records=lag,
                         lag_seconds=None if lag == 13 else 2.5 * lag, is_exact=True, committed=1,
                         end=1 + lag, removed=7)
            for i, lag in enumerate(lags)
        ],
        missing_topics=list(missing),
    )  # fmt: skip


class World:
    """An exporter, its metrics, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.exporter = LagExporter(["count"], 10.0, 5.0, lambda: self.now)
        self.registry: CollectorRegistry = registry_of(self.exporter)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def lag(self, partition: str = "0", name: str = "penstock_group_lag_records") -> float | None:
        return self.metric(name, group="g", agent="count", topic="numbers", partition=partition)


@pytest.fixture
def world() -> World:
    return World()


def test_a_reading_is_exported(world: World) -> None:
    world.exporter.took(report(3, 13, missing=("gone",)))
    assert (world.lag(), world.lag("1")) == (3.0, 13.0)
    assert world.lag(name="penstock_group_lag_seconds") == 7.5
    assert world.lag("1", "penstock_group_lag_seconds") is None, "its age is not known"
    assert world.lag(name="penstock_group_removed_records") == 7.0
    assert world.metric("penstock_group_members", group="g") == 0.0
    assert world.metric("penstock_lag_readable") == 1.0
    assert world.metric("penstock_topic_missing", topic="gone") == 1.0
    assert world.metric("penstock_topic_missing", topic="numbers") == 0.0


def test_probes_answer_with_the_sum_of_all_and_of_each_agent(world: World) -> None:
    world.exporter.took(report(3, 4))
    probes = world.exporter.probes()
    assert probes["/ready"]().ok
    for path in ("/lag", "/lag/count"):
        result = probes[path]()
        assert result.ok
        assert result.facts == {
            "lag_records": 7, "lag_seconds": 10.0, "members": 0, "partitions": 2
        }  # fmt: skip


def test_a_lag_that_cannot_be_read_is_absent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.exporter.took(report(3))
    for _ in range(3):
        world.exporter.failed(BrokerError("no answer"))
    assert world.lag() is None
    assert world.metric("penstock_lag_readable") == 0.0
    probes = world.exporter.probes()
    assert probes["/live"]().ok
    for path in ("/ready", "/lag", "/lag/count"):
        assert probes[path]().reasons == ["the lag can't be read: no answer"]
    world.exporter.took(report(3))
    assert world.lag() == 3.0
    assert [r.getMessage() for r in caplog.records] == [
        "the lag can't be read: no answer", "the lag can be read again"
    ]  # fmt: skip


def test_an_old_reading_is_absent(world: World) -> None:
    """A request that hangs must not leave the last value there for ever."""
    world.exporter.took(report(3))
    world.now = 45.0
    assert world.lag() == 3.0
    world.now = 46.0
    assert world.lag() is None
    assert world.exporter.probes()["/lag"]().reasons == ["no reading for 45 s"]


def test_nothing_is_exported_before_the_first_reading(world: World) -> None:
    assert world.metric("penstock_lag_readable") == 0.0
    assert world.exporter.probes()["/ready"]().reasons == ["the lag was not read yet"]


def test_reading_goes_on_after_a_failure_until_it_is_stopped(world: World) -> None:
    answers: list[LagReport | BrokerError] = [report(1), BrokerError("away"), report(2)]
    stop = threading.Event()

    def read() -> LagReport:
        answer = answers.pop(0)
        if not answers:
            stop.set()
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    read_until_stopped(read, world.exporter, 0.001, stop)
    assert world.lag() == 2.0
