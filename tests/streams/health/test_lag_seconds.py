"""The lag in seconds is the age of the oldest unfinished record, and grows by itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streams.health.lag_seconds import LagSeconds
from streams.records import TopicPartition

TP = TopicPartition("frames", 3)


class World:
    """One partition, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.registry = CollectorRegistry()
        self.lag = LagSeconds(self.registry, lambda: self.now)

    def seconds(self) -> float | None:
        labels = {"topic": "frames", "partition": "3"}
        return self.registry.get_sample_value("penstock_consumer_lag_seconds", labels)


def test_the_age_grows_until_the_record_is_finished() -> None:
    world = World()
    world.lag.observe(TP, int(world.now * 1000) - 2500, is_waiting=True)
    assert world.seconds() == 2.5
    world.now += 60
    assert world.seconds() == 62.5
    world.lag.observe(TP, None, is_waiting=False)
    assert world.seconds() == 0.0


def test_records_that_are_not_fetched_age_from_when_they_were_noticed() -> None:
    world = World()
    for _ in range(3):
        world.lag.observe(TP, None, is_waiting=True)
        world.now += 10
    assert world.seconds() == 30.0
    world.lag.observe(TP, int(world.now * 1000) - 45_000, is_waiting=True)
    assert world.seconds() == 45.0
    world.lag.observe(TP, None, is_waiting=True)
    assert world.seconds() == 0.0  # the one that was old is finished


def test_a_record_without_a_timestamp_ages_from_when_it_was_noticed() -> None:
    world = World()
    world.lag.observe(TP, -1, is_waiting=False)
    world.now += 7
    world.lag.observe(TP, -1, is_waiting=False)
    assert world.seconds() == 7.0


def test_a_timestamp_in_the_future_is_no_negative_lag() -> None:
    world = World()
    world.lag.observe(TP, int(world.now * 1000) + 5000, is_waiting=False)
    assert world.seconds() == 0.0


def test_a_partition_that_moved_away_has_no_lag() -> None:
    world = World()
    world.lag.observe(TP, None, is_waiting=True)
    world.lag.forget(TP)
    assert world.seconds() is None
