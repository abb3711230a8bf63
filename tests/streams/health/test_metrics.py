"""The ages of answered rows are observed, and of no others."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from streams.health.metrics import Metrics

NOW = 1_700_000_100.0
#: One record a second, the last without a timestamp.
STAMPS = array("q", [1_700_000_000_000 + 1000 * i for i in range(10)] + [-1])


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        (range(11), [100.0 - i for i in range(10)]),
        (range(4, 6), [96.0, 95.0]),
        ([0, 3, 10], [100.0, 97.0]),
        ([9, 2], [91.0, 98.0]),
    ],
)
def test_only_the_ages_of_answered_rows_are_observed(
    monkeypatch: pytest.MonkeyPatch, rows: Sequence[int], seconds: list[float]
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    registry = CollectorRegistry()
    Metrics(registry).for_agent("a", ["t"], "m").ages_of(STAMPS, rows)
    name = "penstock_event_age_seconds"
    assert registry.get_sample_value(f"{name}_count", {"agent": "a"}) == len(seconds)
    assert registry.get_sample_value(f"{name}_sum", {"agent": "a"}) == pytest.approx(sum(seconds))
