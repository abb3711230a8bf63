from __future__ import annotations

import random

import pytest

from models.silence.source_table import Rules, SourceTable

LEARNED = Rules(intervals=3.0, fixed_ms=0.0, min_gaps=10, min_silence_ms=1000.0)


def table_after(times: list[int], rules: Rules = LEARNED) -> SourceTable:
    """Return a table whose only source sent at these times, in ms, as others did all the time."""
    table = SourceTable(100, rules)
    for time in times:
        table.see("a", time, time)
    return table


def test_a_regular_source_may_be_silent_for_three_intervals() -> None:
    table = table_after([10_000 * i for i in range(1, 40)])
    assert table.allowed_ms(0) == pytest.approx(30_000)
    assert table.overdue(390_000 + 29_999) == []
    assert table.overdue(390_000 + 30_001) == [0]


def test_to_ask_changes_nothing() -> None:
    table = table_after([10_000 * i for i in range(1, 40)])
    assert [table.overdue(500_000) for _ in range(3)] == [[0], [0], [0]]


def test_nothing_is_judged_before_enough_gaps() -> None:
    assert table_after([10_000 * i for i in range(1, 11)]).allowed_ms(0) == 0
    assert table_after([10_000 * i for i in range(1, 12)]).allowed_ms(0) > 0


def test_a_fixed_interval_is_known_at_once() -> None:
    table = table_after([5000], LEARNED._replace(fixed_ms=2000.0))
    assert table.overdue(11_001) == [0]


def test_a_short_silence_is_none() -> None:
    table = table_after([10 * i for i in range(1, 100)])
    assert table.allowed_ms(0) == 1000


@pytest.mark.parametrize("seed", range(3))
def test_irregular_sources_are_hardly_ever_reported(seed: int) -> None:
    dice = random.Random(seed)
    table, now, num_reported = SourceTable(10, LEARNED), 0, 0
    for _ in range(20_000):
        now += round(dice.expovariate(1 / 20_000)) + 1
        num_reported += bool(table.overdue(now))
        table.see("a", now, now)
    assert num_reported <= 20


def test_a_device_that_sends_ten_at_once_is_not_silent_in_between() -> None:
    table = SourceTable(10, LEARNED)
    for burst in range(1, 30):
        now = 10_000 * burst
        assert table.overdue(now) == []
        for i in range(10):
            table.see("a", now - 9000 + 1000 * i, now)


def test_what_was_kept_during_an_outage_does_not_shorten_the_interval() -> None:
    table = table_after([10_000 * i for i in range(1, 40)])
    for i in range(1000):
        table.see("a", 400_000 + 10_000 * i, 10_400_000 + i)
    assert table.allowed_ms(0) == pytest.approx(30_000, rel=0.1)


def test_an_outage_is_hardly_learned() -> None:
    table = table_after([10_000 * i for i in range(1, 40)])
    table.see("a", 100_000_000, 100_000_000)
    assert table.allowed_ms(0) < 60_000


def test_a_source_that_slows_down_is_learned_anew() -> None:
    table = table_after([1000 * i for i in range(1, 100)])
    now, reports = 99_000, 0
    for _ in range(200):
        now += 60_000
        reports += bool(table.overdue(now))
        table.see("a", now, now)
    assert 1 <= reports <= 30
    assert table.overdue(now + 60_000) == []


def test_the_row_of_another_source_starts_empty() -> None:
    table = SourceTable(1, LEARNED)
    for i in range(1, 40):
        table.see("a", 1000 * i, 1000 * i)
    for i in range(1, 30):
        table.see("b", 100_000 + i, 100_000 + i)
    assert table.slots.keys == [("b", "")]
    assert table.num_gaps[0] < 30
    assert table.last_ms[0] == 100_029
