"""The age histogram counts like prometheus_client's histogram."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram

from streams.health.age_histogram import AgeHistogram

_BOUNDS = [0.01, 0.1, 1.0, 10.0]
_NOW_MS = 1_700_000_000_000


def _samples(registry: CollectorRegistry) -> dict[tuple[str, float], float]:
    return {
        (sample.name, float(sample.labels.get("le", 0))): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.mark.parametrize(("num_batches", "size"), [(3, 50), (20_000, 1), (600, 2), (5, 10_000)])
@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_those_of_prometheus_client(seed: int, num_batches: int, size: int) -> None:
    alone, batched = CollectorRegistry(), CollectorRegistry()
    expected = Histogram("age", "Ages.", ["agent"], buckets=_BOUNDS, registry=alone).labels("a")
    found = AgeHistogram("age", "Ages.", "agent", _BOUNDS, batched)
    chance = random.Random(seed)
    for at in range(num_batches):
        ages_ms = chance.choices([0, 9, 10, 11, 100, 999, 1000, 10_000, 10_001], k=size)
        now_ms = _NOW_MS + at
        stamps = now_ms - np.array(ages_ms)
        found.observe("a", stamps.tolist() if size < 10 else stamps, now_ms)
        for age_ms in ages_ms:
            expected.observe(age_ms / 1000)
    assert _samples(batched) == pytest.approx(_samples(alone))


def test_future_timestamps_have_age_0_and_missing_ones_are_skipped() -> None:
    registry = CollectorRegistry()
    histogram = AgeHistogram("age", "Ages.", "agent", _BOUNDS, registry)
    histogram.observe("a", np.array([-1, 0]), _NOW_MS)
    assert _samples(registry)["age_count", 0] == 0
    histogram.observe("a", np.array([_NOW_MS + 5000, -1, _NOW_MS - 50, 0]), _NOW_MS)
    assert _samples(registry) == pytest.approx(
        {("age_bucket", 0.01): 1, ("age_bucket", 0.1): 2, ("age_bucket", 1): 2,
         ("age_bucket", 10): 2, ("age_bucket", math.inf): 2, ("age_count", 0): 2,
         ("age_sum", 0): 0.05}
    )  # fmt: skip


def test_a_budget_is_a_bucket_edge_of_its_label_value_and_is_counted() -> None:
    registry = CollectorRegistry()
    histogram = AgeHistogram("age", "Ages.", "agent", _BOUNDS, registry, within_budget="good")
    histogram.set_budget("a", 0.25)
    for agent in ("a", "b"):  # 0.25 s is within, 0.251 s is not; without a timestamp counts as good
        stamps = np.array([_NOW_MS - 250, _NOW_MS - 251, _NOW_MS, 0])
        histogram.observe(agent, stamps, _NOW_MS)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("age_bucket", agent="a", le="0.25") == 2
    assert value("age_bucket", agent="b", le="0.25") is None
    assert value("age_bucket", agent="a", le="10") == value("age_bucket", agent="b", le="10") == 3
    assert value("good_total", agent="a") == 3
    assert value("good_total", agent="b") is None


def test_setting_the_same_budget_again_forgets_nothing() -> None:
    registry = CollectorRegistry()
    histogram = AgeHistogram("age", "Ages.", "agent", _BOUNDS, registry, within_budget="good")
    histogram.set_budget("a", 1.0)
    histogram.observe("a", np.array([_NOW_MS]), _NOW_MS)
    histogram.set_budget("a", 1.0)
    assert registry.get_sample_value("good_total", {"agent": "a"}) == 1
