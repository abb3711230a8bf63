"""Tallies export exactly what prometheus_client's own metrics would."""

from __future__ import annotations

import random
import threading

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streams.health.tallies import TallyCounter, TallyGauge, TallyHistogram

_BOUNDS = (0.001, 0.02, 0.5, 1, 30)


def lines(registry: CollectorRegistry) -> list[str]:
    """The exposition without the times at which series were made, which tallies leave out."""
    return [line for line in generate_latest(registry).decode().splitlines()
            if "_created" not in line]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_exposition_is_that_of_prometheus_client(seed: int) -> None:
    expected, found = CollectorRegistry(), CollectorRegistry()
    ours = (
        TallyCounter("done", "Done.", ("agent", "topic"), found),
        TallyGauge("open", "Open.", ("agent", "topic"), found),
        TallyHistogram("age_seconds", "Age.", ("agent", "topic"), _BOUNDS, found),
    )
    theirs = (
        Counter("done", "Done.", ("agent", "topic"), registry=expected),
        Gauge("open", "Open.", ("agent", "topic"), registry=expected),
        Histogram("age_seconds", "Age.", ("agent", "topic"), buckets=_BOUNDS, registry=expected),
    )
    chance = random.Random(seed)
    for _ in range(10_000):  # over the number that waits to be counted
        labels = (chance.choice("ab"), chance.choice('x"\n'))
        amount, value = chance.randrange(5), chance.choice([0.0, 0.001, 0.02, 0.3, 31.0])
        for counter, gauge, histogram in (ours, theirs):
            counter.labels(*labels).inc(amount)
            gauge.labels(*labels).inc(amount)
            gauge.labels(*labels).dec(1)
            histogram.labels(*labels).observe(value)
    assert lines(found) == lines(expected)


def test_a_labelled_value_is_exported_before_its_first_update() -> None:
    registry = CollectorRegistry()
    TallyCounter("done", "Done.", ("agent",), registry).labels("a")
    assert registry.get_sample_value("done_total", {"agent": "a"}) == 0


def test_readers_on_other_threads_lose_no_observation() -> None:
    registry = CollectorRegistry()
    observed = TallyHistogram("age_seconds", "Age.", ("agent",), _BOUNDS, registry).labels("a")
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            generate_latest(registry)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(100_000):
        observed.observe(0.5)
    is_over.set()
    for reader in readers:
        reader.join()
    labels = {"agent": "a"}
    assert registry.get_sample_value("age_seconds_count", labels) == 100_000
    assert registry.get_sample_value("age_seconds_bucket", {**labels, "le": "0.5"}) == 100_000
    assert registry.get_sample_value("age_seconds_sum", labels) == 50_000
