"""What the metrics of an agent show when the system clock is set."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from streams.health import agent_metrics as module
from streams.health.metrics import Metrics
from streams.health.outcomes import Outcome


def test_the_age_of_the_last_progress_does_not_change_when_the_clock_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`time() - penstock_last_progress_timestamp_seconds` is what an alert compares."""
    wall, mono = 1_700_000_000.0, 50.0
    clock = SimpleNamespace(time=lambda: wall, monotonic=lambda: mono)
    monkeypatch.setattr(module, "time", clock)
    registry = CollectorRegistry()
    agent = Metrics(registry).for_agent("count", ["numbers"], "m")

    def age() -> float:
        name = "penstock_last_progress_timestamp_seconds"
        last = registry.get_sample_value(name, {"agent": "count"})
        assert last is not None
        return wall - last

    mono, wall = mono + 30, wall + 30
    assert age() == pytest.approx(30)
    agent.took_in("numbers", 1)
    agent.finished("numbers", Outcome.ANSWERED, 1)
    mono, wall = mono + 2, wall + 2
    for step in (7200, -14_400):
        wall += step
        assert age() == pytest.approx(2)
