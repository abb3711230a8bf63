"""What a fetch skipped moves the watermark, and is no lag."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.offsets import OffsetTracker
from streams.transport.fetch_positions import Fetched
from streams.transport.read_positions import export_lag, note_read

ONE = TP("numbers", 0)


class World:
    """A consumer of one partition, as far as positions go."""

    def __init__(self, committed: int | None = None) -> None:
        self.tracker = OffsetTracker()
        self.lag: tuple[int, bool] | None = None
        self.positions = SimpleNamespace(noted={}, are_wanted=False)
        self.fetched: Fetched | None = None
        thread = SimpleNamespace(
            positions=self.positions,
            fetched=lambda tp: self.fetched,
            has_waiting=lambda tp: (
                self.fetched is not None and self.fetched.position < self.fetched.end
            ),
        )
        assigned = SimpleNamespace(tracker=self.tracker, observe_lag=self._observe)
        self.consumer: Any = SimpleNamespace(
            _thread=thread, assigned=assigned, _committed_offset={ONE: committed},
            assignment=lambda: {ONE},
        )  # fmt: skip

    def _observe(self, tp: TP, num_records: int, is_waiting: bool) -> None:
        self.lag = (num_records, is_waiting)

    def read_to(self, position: int, end: int, untracked: frozenset[TP] = frozenset()) -> None:
        self.fetched = Fetched(position, end)
        self.positions.noted = {ONE: position}
        note_read(self.consumer, untracked)
        export_lag(self.consumer)


@pytest.mark.parametrize("committed", [None, 3])
def test_markers_behind_the_last_committed_record_are_committed_after_a_restart(
    committed: int | None,
) -> None:
    world = World(committed)
    world.read_to(8, 8)
    assert world.tracker.committable() == {ONE: 8}
    assert world.lag == (0, False)


@pytest.mark.parametrize("committed", [None, 0, 8])
def test_a_position_that_has_not_moved_is_not_committed(committed: int | None) -> None:
    world = World(committed)
    world.read_to(committed or 0, 10)
    assert world.tracker.committable() == {}
    assert world.lag == (10 - (committed or 0), True)


def test_a_position_that_the_reset_policy_has_moved_back_is_committed() -> None:
    """The committed offset lies beyond the end: a restart would begin by the policy again."""
    world = World(500)
    world.read_to(10, 10)
    assert world.tracker.committable() == {ONE: 10}


def test_lag_counts_from_the_first_unfinished_record() -> None:
    world = World(2)
    span = world.tracker.start(ONE, [4, 5], 2)
    world.read_to(8, 8)
    assert world.lag == (4, False)
    world.tracker.finish(span, [0, 1])
    world.read_to(8, 8)
    assert world.lag == (0, False)
    assert world.tracker.committable() == {ONE: 8}


def test_records_that_are_not_tracked_yet_are_not_passed() -> None:
    """Of a stock agent: they are handed out one by one, and a rebalance may drop the rest."""
    world = World(2)
    world.read_to(8, 8, frozenset({ONE}))
    assert world.tracker.committable() == {}


def test_each_export_asks_for_the_positions_of_idle_partitions() -> None:
    world = World()
    export_lag(world.consumer)
    assert world.positions.are_wanted
    assert world.lag is None
