"""A stopwatch sums the seconds in which anything runs, however its parts overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streams.health.stopwatch import Stopwatch, StopwatchCounter


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_overlapping_parts_count_once() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with watch:
        clock.now = 2.0
        with watch:
            clock.now = 3.0
        clock.now = 5.0
    clock.now = 100.0
    assert watch.seconds() == 5.0


def test_a_part_that_runs_counts_and_an_error_ends_it() -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def work() -> None:
        with watch:
            clock.now = 4.0
            assert watch.seconds() == 4.0
            raise KeyError

    with pytest.raises(KeyError):
        work()
    clock.now = 9.0
    assert watch.seconds() == 4.0


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from("+-")), max_size=30))
def test_the_sum_is_that_of_the_union_and_never_falls(steps: list[tuple[float, str]]) -> None:
    clock = Clock()
    watch, running, union, before = Stopwatch(clock), 0, 0.0, 0.0
    for seconds, step in steps:
        clock.now += seconds
        union += seconds if running else 0.0
        if step == "+":
            watch.start()
            running += 1
        elif running:
            watch.stop()
            running -= 1
        assert watch.seconds() >= before
        before = watch.seconds()
        assert before == pytest.approx(union)


def test_a_counter_has_a_value_for_each_label_and_one_without() -> None:
    registry = CollectorRegistry()
    busy = StopwatchCounter("busy_seconds", "Busy.", "agent", registry)
    lost = StopwatchCounter("lost_seconds", "Lost.", None, registry)
    for agent in ("a", "b"):
        with busy.of(agent):
            pass
    with lost.of():
        pass
    for agent in ("a", "b"):
        value = registry.get_sample_value("busy_seconds_total", {"agent": agent})
        assert value == pytest.approx(busy.of(agent).seconds())
    assert registry.get_sample_value("lost_seconds_total") == pytest.approx(lost.of().seconds())
