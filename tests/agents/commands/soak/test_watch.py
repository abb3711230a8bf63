"""A partition that stands still is a stall, however much flows on beside it."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from agents.commands.soak.watch import StallWatch


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> StallWatch:
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    return StallWatch({}, {"out": 2, "dlq": 2})


def look(watch: StallWatch, first: int, second: int, letters: int = 0) -> None:
    watch._look({("out", 0): first, ("out", 1): second, ("dlq", 1): letters})


def test_the_longest_stall_is_that_of_one_partition(watch: StallWatch) -> None:
    for first, second in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]:
        look(watch, first, second)
    assert watch.longest_seconds == 4.0
    assert watch.num_out == Counter({0: 5, 1: 2})


def test_a_dead_letter_is_an_outcome_of_its_partition(watch: StallWatch) -> None:
    for letters in range(4):
        look(watch, 1, 1, letters)
    assert watch.longest_seconds == 1.0
    assert watch.num_out[1] == 4


def test_progress_is_progress_of_every_partition(watch: StallWatch) -> None:
    look(watch, 1, 0)
    before = watch.num_out
    look(watch, 50, 0)
    assert not watch.has_moved(before, 40)
    look(watch, 50, 3)
    assert watch.has_moved(before, 40)
    before = watch.num_out
    look(watch, 90, 3)
    assert not watch.has_moved(before, 10)
    look(watch, 91, 4)
    assert watch.has_moved(before, 10)
    assert not watch.has_moved(before, 50)
