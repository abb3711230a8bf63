from __future__ import annotations

import pytest

from models.base import ModelError
from models.silence.partition_clock import PartitionClock

NOON = 1_700_000_000_000
STEP = 60_000
YEAR = 365 * 86_400_000


def run(*events: tuple[str, int]) -> PartitionClock:
    clock = PartitionClock()
    for source, time in events:
        clock = clock.after(source, time, STEP)
    return clock


def test_it_follows_the_latest_event_time() -> None:
    assert run(("a", NOON), ("b", NOON + 2000), ("a", NOON + 1000)).now_ms == NOON + 2000


def test_an_event_without_a_time_changes_nothing() -> None:
    assert run(("a", NOON), ("b", 0)) == PartitionClock(NOON)


@pytest.mark.parametrize("wrong", [YEAR, -YEAR])
def test_one_wrong_clock_among_others_does_not_move_it(wrong: int) -> None:
    events = [
        (source, NOON + 1000 * second + (wrong if source == "wrong" else 0))
        for second in range(1, 500)
        for source in ("a", "wrong", "b")
    ]
    assert run(("a", NOON), *events).now_ms == NOON + 499_000


def test_a_wrong_first_event_is_corrected_by_two_others() -> None:
    events = [(source, NOON + second) for second in range(4) for source in ("a", "b")]
    assert run(("wrong", NOON + YEAR), *events).now_ms == NOON + 3


def test_after_a_pause_of_all_it_goes_on_with_the_nearest_time() -> None:
    morning = NOON + 10 * STEP
    events = [(source, morning + 1000 * i) for i in range(4) for source in ("a", "b")]
    assert run(("a", NOON), *events[:-1]).now_ms == NOON
    assert run(("a", NOON), *events).now_ms == morning


def test_a_single_source_is_believed_after_many_events() -> None:
    events = [("a", NOON + 10 * STEP + i) for i in range(64)]
    assert run(("a", NOON), *events[:-1]).now_ms == NOON
    assert run(("a", NOON), *events).now_ms == NOON + 10 * STEP


def test_it_is_saved_and_loaded() -> None:
    clock = run(("a", NOON), ("a", NOON + YEAR), ("b", NOON + YEAR))
    assert PartitionClock.load(*clock.dump()) == clock
    with pytest.raises(ModelError, match="damaged"):
        PartitionClock.load([-1, 0, 0], "")
