"""Positions are noted right after a fetch, for those partitions that need it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.transport.fetch_positions import Fetched, NotedPositions, fetched_of, leaves_records

ONE, OTHER, LOST = TP("numbers", 0), TP("numbers", 1), TP("numbers", 2)


def consumer(isolation: str = "read_uncommitted", lso: int | None = 6) -> Any:
    states = {
        ONE: SimpleNamespace(has_valid_position=True, position=5, highwater=9, lso=lso),
        OTHER: SimpleNamespace(has_valid_position=False, position=None, highwater=None, lso=None),
    }
    assignment = SimpleNamespace(state_value=states.get)
    return SimpleNamespace(
        _isolation_level=isolation,
        _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)),
    )


def test_the_readable_end_is_the_last_stable_offset_where_only_committed_records_are_read() -> None:
    assert fetched_of(consumer(), ONE) == Fetched(5, 9)
    assert fetched_of(consumer("read_committed"), ONE) == Fetched(5, 6)
    assert fetched_of(consumer("read_committed", lso=None), ONE) == Fetched(5, 9)


def test_unknown_positions_are_none() -> None:
    assert fetched_of(consumer(), OTHER) is None
    assert fetched_of(consumer(), LOST) is None


def test_a_fetch_leaves_records_if_one_position_is_before_its_end() -> None:
    assert leaves_records(consumer(), [OTHER, LOST, ONE])
    assert not leaves_records(consumer(), [OTHER, LOST])
    assert leaves_records(consumer("read_committed", lso=6), [ONE])
    assert not leaves_records(consumer("read_committed", lso=5), [ONE])


def test_positions_are_noted_when_wanted_and_once() -> None:
    positions = NotedPositions()
    positions.note(consumer(), [ONE, OTHER, LOST], [])
    assert positions.noted == {}
    positions.are_wanted = True
    positions.note(consumer(), [ONE, OTHER, LOST], [])
    assert positions.noted == {ONE: 5}
    assert not positions.are_wanted


def test_markers_are_noted_with_the_records_before_them() -> None:
    positions = NotedPositions()
    positions.note(consumer("read_committed"), [ONE, OTHER], [ONE])
    assert positions.noted == {ONE: 5}
    positions.clear()
    assert positions.noted == {}
