"""Event ages are counted the same by their extremes as one by one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streams.metrics import Metrics

NOW = 1_700_000_000.0
HOUR_MS = 3_600_000


def counted(timestamps_ms: list[int], rows: list[int]) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    agent = Metrics(registry).for_agent("a", ["t"], "m")
    agent.ages_of(timestamps_ms, rows)
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in registry.collect()
        if family.name == "penstock_event_age_seconds"
        for sample in family.samples
    }


def one_by_one(ages: list[float]) -> dict[tuple[str, str], float]:
    bounds = [le for name, le in counted([1], [0]) if name.endswith("_bucket")]
    expected = {
        ("penstock_event_age_seconds_bucket", le): float(sum(age <= float(le) for age in ages))
        for le in bounds
    }
    expected["penstock_event_age_seconds_count", ""] = float(len(ages))
    expected["penstock_event_age_seconds_sum", ""] = sum(ages)
    return expected


around_now = st.integers(int(NOW * 1000) - HOUR_MS, int(NOW * 1000) + 1000)
close_together = st.integers(int(NOW * 1000) - 1400, int(NOW * 1000) - 1100)


@given(
    st.lists(close_together, min_size=1, max_size=50)
    | st.lists(st.one_of(around_now, st.just(-1)), min_size=1, max_size=50),
    st.data(),
)
def test_they_are_counted_as_one_by_one(timestamps_ms: list[int], data: st.DataObject) -> None:
    rows = data.draw(st.permutations(range(len(timestamps_ms))))
    rows = rows[: data.draw(st.integers(1, len(rows)))]
    ages = [max(NOW - t / 1000.0, 0.0) for t in (timestamps_ms[row] for row in rows) if t > 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: NOW)
        found = counted(timestamps_ms, list(rows))
    expected = one_by_one(ages)
    assert found.pop(("penstock_event_age_seconds_sum", "")) == pytest.approx(
        expected.pop(("penstock_event_age_seconds_sum", "")), abs=0.01
    )
    assert found == expected


def test_no_rows_are_no_ages() -> None:
    assert counted([1, 2], []) == {}
