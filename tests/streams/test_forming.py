"""When a micro-batch leaves and what is in it, with the clock as an argument."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.batching import Chunk
from streams.forming import MicroBatcher
from streams.offsets import OffsetTracker
from streams.settings import BatchSettings
from streams.waiting import positions_of_stale
from tests.fakes import record_batch


def chunk(num_events: int, arrived: float = 0.0, partition: int = 0) -> Chunk[int]:
    tracker = OffsetTracker()
    batch = record_batch([b"x"] * num_events, tracker=tracker, partition=partition, arrived=arrived)
    return Chunk(batch, range(num_events), range(num_events))


def batcher(size: int = 4, wait: float = 1.0) -> MicroBatcher[int]:
    return MicroBatcher(BatchSettings(max_batch_size=size, max_wait_seconds=wait))


def test_nothing_waits_nothing_leaves() -> None:
    empty = batcher()
    assert empty.due_at() is None
    assert empty.take(1e9) is None


def test_a_partial_batch_leaves_when_its_oldest_event_has_waited() -> None:
    waiting = batcher(size=4, wait=1.0)
    waiting.add(chunk(1, arrived=10.0))
    waiting.add(chunk(1, arrived=10.9))
    assert waiting.due_at() == pytest.approx(11.0)
    assert waiting.take(10.99) is None
    taken = waiting.take(11.0)
    assert taken is not None
    assert len(taken) == 2
    assert taken.oldest_arrival == pytest.approx(10.0)


def test_a_trickle_does_not_restart_the_wait() -> None:
    waiting = batcher(size=100, wait=1.0)
    for i in range(20):
        waiting.add(chunk(1, arrived=i * 0.1))
    assert waiting.due_at() == pytest.approx(1.0)


def test_a_full_batch_leaves_at_once_and_the_rest_waits() -> None:
    waiting = batcher(size=4, wait=1.0)
    waiting.add(chunk(6, arrived=0.0))
    taken = waiting.take(0.0)
    assert taken is not None
    assert taken.events == [0, 1, 2, 3]
    assert waiting.take(0.5) is None
    rest = waiting.take(1.0)
    assert rest is not None
    assert rest.events == [4, 5]
    assert [list(c.rows) for c in rest.chunks] == [[4, 5]]
    assert len(waiting) == 0


def test_a_batch_not_asked_for_goes_on_growing() -> None:
    waiting = batcher(size=8, wait=0.1)
    waiting.add(chunk(2, arrived=0.0))
    waiting.add(chunk(3, arrived=5.0))
    taken = waiting.take(6.0)
    assert taken is not None
    assert len(taken) == 5


def test_buckets_do_not_mix_and_the_longest_due_goes_first() -> None:
    waiting = batcher(size=4, wait=1.0)
    waiting.add(chunk(1, arrived=0.5, partition=1), bucket="b")
    waiting.add(chunk(1, arrived=0.2, partition=0), bucket="a")
    first, second = waiting.take(5.0), waiting.take(5.0)
    assert first is not None
    assert second is not None
    assert (first.bucket, second.bucket) == ("a", "b")


def test_events_of_a_given_up_partition_are_forgotten() -> None:
    tracker = OffsetTracker()
    batches = [record_batch([b"x"] * 3, tracker=tracker, partition=p) for p in (0, 1)]
    waiting = batcher(size=10)
    for batch in batches:
        waiting.add(Chunk(batch, range(3), [1, 2, 3]))
    tracker.give_up([batches[0].tp])
    assert [len(c.events) for c in waiting.remove(positions_of_stale)] == [3]
    taken = waiting.take(100.0)
    assert taken is not None
    assert [c.batch.tp.partition for c in taken.chunks] == [1]


@given(
    sizes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=30),
    max_size=st.integers(1, 7),
)
def test_every_event_leaves_once_in_order(sizes: list[tuple[int, int]], max_size: int) -> None:
    waiting = batcher(size=max_size, wait=0.0)
    tracker = OffsetTracker()
    sent: dict[int, list[int]] = defaultdict(list)
    next_offset: dict[int, int] = defaultdict(int)
    for partition, size in sizes:
        if not size:
            continue
        first = next_offset[partition]
        next_offset[partition] += size
        batch = record_batch(
            [b"x"] * size, tracker=tracker, partition=partition, first_offset=first
        )
        events = list(range(first, first + size))
        waiting.add(Chunk(batch, range(size), events))
        sent[partition] += events
    left: dict[int, list[int]] = defaultdict(list)
    while (taken := waiting.take(1.0)) is not None:
        assert 1 <= len(taken) <= max_size
        for part in taken.chunks:
            left[part.batch.tp.partition] += part.events
            assert [part.batch.offsets[row] for row in part.rows] == part.events
    assert left == sent
