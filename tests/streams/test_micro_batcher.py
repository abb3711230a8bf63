"""When a micro-batch leaves and which events it holds; the clock is an argument."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.batching import Chunk, MicroBatch
from streams.micro_batcher import MAX_PASSES, MicroBatcher, positions_of_stale
from streams.offsets import OffsetTracker
from streams.settings import BatchSettings
from tests.fakes import record_batch


def chunk(num_events: int, arrived: float = 0.0, partition: int = 0) -> Chunk[int]:
    tracker = OffsetTracker()
    batch = record_batch([b"x"] * num_events, tracker=tracker, partition=partition, arrived=arrived)
    return Chunk(batch, range(num_events), range(num_events))


def batcher(size: int = 4, wait: float = 1.0, num_lanes: int = 1) -> MicroBatcher[int]:
    return MicroBatcher(BatchSettings(max_batch_size=size, max_wait_seconds=wait), num_lanes)


def sizes_by_partition(batch: MicroBatch[int] | None) -> list[tuple[int, int]]:
    assert batch is not None
    return [(part.batch.tp.partition, len(part.events)) for part in batch.chunks]


def test_without_events_no_batch_is_due() -> None:
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


def test_later_events_do_not_restart_the_wait() -> None:
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


def test_a_due_batch_grows_until_it_is_taken() -> None:
    waiting = batcher(size=8, wait=0.1)
    waiting.add(chunk(2, arrived=0.0))
    waiting.add(chunk(3, arrived=5.0))
    taken = waiting.take(6.0)
    assert taken is not None
    assert len(taken) == 5


def test_events_of_a_given_up_partition_are_dropped() -> None:
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


def test_an_earlier_lane_goes_first_and_later_lanes_fill_the_batch() -> None:
    waiting = batcher(size=4, num_lanes=3)
    waiting.add(chunk(9, partition=2), lane=2)
    waiting.add(chunk(1, partition=1), lane=1)
    waiting.add(chunk(2, partition=0), lane=0)
    assert sizes_by_partition(waiting.take(0.0)) == [(0, 2), (1, 1), (2, 1)]
    assert [waiting.num_waiting(lane) for lane in range(3)] == [0, 0, 8]
    waiting.add(chunk(9, partition=0), lane=0)
    assert sizes_by_partition(waiting.take(0.0)) == [(0, 4)]
    assert len(waiting) == 13


def test_an_urgent_event_goes_first_although_other_events_waited_longer() -> None:
    waiting = batcher(size=4, wait=60.0, num_lanes=2)
    waiting.add(chunk(100, arrived=0.0, partition=1), lane=1)
    waiting.add(chunk(1, arrived=5.0, partition=0), lane=0)
    assert sizes_by_partition(waiting.take(5.0)) == [(0, 1), (1, 3)]


def test_a_lane_goes_first_after_it_was_left_out_max_passes_times() -> None:
    waiting = batcher(size=4, wait=1.0, num_lanes=2)
    waiting.add(chunk(5, arrived=0.0, partition=1), lane=1)
    waiting.add(chunk(1000, arrived=0.0, partition=0), lane=0)
    now = 0.5
    assert sizes_by_partition(waiting.take(now)) == [(0, 4)]  # its wait is not over: not counted
    now = 1.0
    for _ in range(MAX_PASSES):
        assert sizes_by_partition(waiting.take(now)) == [(0, 4)]
    assert sizes_by_partition(waiting.take(now)) == [(1, 4)]
    for _ in range(MAX_PASSES):
        assert sizes_by_partition(waiting.take(now)) == [(0, 4)]
    assert sizes_by_partition(waiting.take(now))[0] == (1, 1)


def test_an_idle_model_gets_the_waiting_events_at_once() -> None:
    waiting = batcher(size=4, wait=60.0)
    waiting.add(chunk(1, arrived=0.0))
    assert waiting.take(0.0) is None
    assert sizes_by_partition(waiting.take(0.0, is_idle=True)) == [(0, 1)]
    assert waiting.take(0.0, is_idle=True) is None


def test_single_events_are_removed_and_the_others_keep_their_order() -> None:
    waiting = batcher(size=10, wait=0.0)
    waiting.add(chunk(5))
    removed = waiting.remove(lambda part: [1, 3])
    assert [(list(part.rows), list(part.events)) for part in removed] == [([1, 3], [1, 3])]
    taken = waiting.take(0.0)
    assert taken is not None
    assert [list(part.rows) for part in taken.chunks] == [[0, 2, 4]]
    assert (len(waiting), waiting.due_at()) == (0, None)


def test_a_lower_limit_holds_for_events_that_wait_already() -> None:
    waiting = batcher(size=8, wait=60.0)
    waiting.add(chunk(6))
    assert waiting.take(0.0) is None
    waiting.limit_size(3)
    waiting.limit_size(5)  # a higher limit has no effect
    waiting.add(chunk(4, partition=1))
    sizes = [sizes_by_partition(waiting.take(0.0)) for _ in range(3)]
    assert sizes == [[(0, 3)], [(0, 3)], [(1, 3)]]


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


@given(st.data())
def test_limits_and_order_hold_over_lanes(data: st.DataObject) -> None:
    max_size = data.draw(st.integers(1, 6))
    waiting = batcher(size=max_size, wait=0.1, num_lanes=3)
    tracker = OffsetTracker()
    sent: dict[int, list[int]] = defaultdict(list)
    left: dict[int, list[int]] = defaultdict(list)

    def drain(now: float, is_idle: bool) -> None:
        while (taken := waiting.take(now, is_idle)) is not None:
            assert 1 <= len(taken) <= max_size
            for part in taken.chunks:
                left[part.batch.tp.partition] += part.events

    count = 0
    for step in range(data.draw(st.integers(0, 12))):
        lane, size = data.draw(st.integers(0, 2)), data.draw(st.integers(1, 6))
        batch = record_batch(
            [b"x"] * size, tracker=tracker, partition=lane, first_offset=count, arrived=step
        )
        events = list(range(count, count + size))
        count += size
        waiting.add(Chunk(batch, range(size), events), lane)
        sent[lane] += events
        if data.draw(st.booleans()):
            drain(step + data.draw(st.sampled_from([0.0, 0.05, 0.1])), data.draw(st.booleans()))
    drain(1e9, is_idle=False)
    assert left == sent
    assert len(waiting) == 0
