"""When a micro-batch leaves and what is in it, with the clock as an argument."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams.waiting import MAX_PASSES, positions_of_stale

from streams.batching import Chunk, MicroBatch
from streams.micro_batcher import MicroBatcher
from streams.offsets import OffsetTracker
from streams.settings import BatchSettings
from tests.fakes import record_batch


def chunk(
    num_events: int,
    arrived: float = 0.0,
    partition: int = 0,
    weights: Sequence[int] | None = None,
) -> Chunk[int]:
    tracker = OffsetTracker()
    batch = record_batch([b"x"] * num_events, tracker=tracker, partition=partition, arrived=arrived)
    return Chunk(batch, range(num_events), range(num_events), weights)


def batcher(
    size: int = 4, wait: float = 1.0, weight: int | None = None, num_lanes: int = 1
) -> MicroBatcher[int]:
    settings = BatchSettings(max_batch_size=size, max_wait_seconds=wait, max_batch_weight=weight)
    return MicroBatcher(settings, num_lanes)


def sizes_by_partition(batch: MicroBatch[int] | None) -> list[tuple[int, int]]:
    assert batch is not None
    return [(part.batch.tp.partition, len(part.events)) for part in batch.chunks]


def weighed(*weights: int) -> Chunk[int]:
    return chunk(len(weights), weights=weights)


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


def test_of_the_buckets_that_are_due_the_one_with_the_oldest_event_goes_first() -> None:
    waiting = batcher(size=4, wait=1.0)
    waiting.add(chunk(1, arrived=0.0), bucket="rare")
    waiting.add(chunk(8, arrived=0.5), bucket="common")
    full = waiting.take(0.9)
    assert full is not None
    assert full.bucket == "common"  # full; the rare one may still find company
    rare = waiting.take(1.0)
    assert rare is not None
    assert rare.bucket == "rare"  # due, and older than what fills the other


def test_an_earlier_lane_goes_first_and_later_ones_fill_the_batch() -> None:
    waiting = batcher(size=4, num_lanes=3)
    waiting.add(chunk(9, partition=2), lane=2)
    waiting.add(chunk(1, partition=1), lane=1)
    waiting.add(chunk(2, partition=0), lane=0)
    assert sizes_by_partition(waiting.take(0.0)) == [(0, 2), (1, 1), (2, 1)]
    assert [waiting.num_waiting(lane) for lane in range(3)] == [0, 0, 8]
    waiting.add(chunk(9, partition=0), lane=0)
    assert sizes_by_partition(waiting.take(0.0)) == [(0, 4)]
    assert len(waiting) == 13


def test_an_urgent_event_goes_in_the_batch_that_a_flood_has_filled() -> None:
    waiting = batcher(size=4, wait=60.0, num_lanes=2)
    waiting.add(chunk(100, arrived=0.0, partition=1), lane=1)
    waiting.add(chunk(1, arrived=5.0, partition=0), lane=0)
    assert sizes_by_partition(waiting.take(5.0)) == [(0, 1), (1, 3)]


def test_a_due_bucket_with_an_urgent_event_goes_before_an_older_one_without() -> None:
    waiting = batcher(size=4, wait=1.0, num_lanes=2)
    waiting.add(chunk(4, arrived=0.0, partition=1), bucket="short", lane=1)
    waiting.add(chunk(1, arrived=2.0, partition=0), bucket="long", lane=0)
    assert sizes_by_partition(waiting.take(2.5)) == [(1, 4)]  # the urgent one is not due
    waiting.add(chunk(4, arrived=0.0, partition=1), bucket="short", lane=1)
    assert sizes_by_partition(waiting.take(3.0)) == [(0, 1)]


@pytest.mark.parametrize("bucket", ["same", "other"])
def test_a_lane_is_passed_over_so_many_times_and_then_goes_first(bucket: str) -> None:
    waiting = batcher(size=4, wait=1.0, num_lanes=2)
    waiting.add(chunk(5, arrived=0.0, partition=1), bucket=bucket, lane=1)
    waiting.add(chunk(1000, arrived=0.0, partition=0), bucket="same", lane=0)
    now = 0.5
    assert sizes_by_partition(waiting.take(now)) == [(0, 4)]  # its wait is not over: no count
    now = 1.0
    for _ in range(MAX_PASSES):
        assert sizes_by_partition(waiting.take(now)) == [(0, 4)]
    assert sizes_by_partition(waiting.take(now)) == [(1, 4)]
    for _ in range(MAX_PASSES):
        assert sizes_by_partition(waiting.take(now)) == [(0, 4)]
    assert sizes_by_partition(waiting.take(now))[0] == (1, 1)


def test_a_batch_is_full_when_one_more_event_would_pad_it_beyond_its_weight() -> None:
    waiting = batcher(size=100, wait=1.0, weight=12)
    waiting.add(weighed(2, 2, 2))
    assert waiting.take(0.5) is None  # 3 x 2, and more may come
    waiting.add(weighed(2, 3, 1))
    taken = waiting.take(0.5)  # 5 x 3 would be 15
    assert taken is not None
    assert [list(part.weights or ()) for part in taken.chunks] == [[2, 2, 2], [2]]
    assert waiting.take(0.5) is None
    rest = waiting.take(1.0)
    assert rest is not None
    assert [list(part.weights or ()) for part in rest.chunks] == [[3, 1]]


def test_an_event_above_the_weight_goes_alone_and_at_once() -> None:
    waiting = batcher(size=100, wait=1.0, weight=10)
    waiting.add(weighed(1, 50, 1))
    batches = [waiting.take(0.0), waiting.take(0.0)]
    assert [sum(batch.chunks[0].weights or ()) for batch in batches if batch] == [1, 50]
    assert waiting.take(0.0) is None
    assert waiting.due_at() == pytest.approx(1.0)


def test_events_of_no_weight_are_counted_alone() -> None:
    waiting = batcher(size=3, wait=0.0, weight=5)
    waiting.add(weighed(0, 0, 0, 0))
    assert sizes_by_partition(waiting.take(0.0)) == [(0, 3)]


def test_a_later_lane_fills_what_an_earlier_lanes_heavy_event_leaves() -> None:
    waiting = batcher(size=10, wait=0.0, weight=12, num_lanes=2)
    waiting.add(chunk(2, partition=0, weights=[3, 9]), lane=0)
    waiting.add(chunk(5, partition=1, weights=[3, 3, 3, 3, 3]), lane=1)
    assert sizes_by_partition(waiting.take(0.0)) == [(0, 1), (1, 3)]


def test_single_events_are_removed_and_the_others_keep_their_order() -> None:
    waiting = batcher(size=10, wait=0.0, weight=100)
    waiting.add(chunk(5, weights=[1, 90, 1, 90, 1]))
    removed = waiting.remove(lambda part: [1, 3])
    assert [(list(part.rows), list(part.events)) for part in removed] == [([1, 3], [1, 3])]
    taken = waiting.take(0.0)
    assert taken is not None
    assert [list(part.rows) for part in taken.chunks] == [[0, 2, 4]]
    assert (len(waiting), waiting.due_at()) == (0, None)


def test_a_lower_limit_holds_for_what_waits_already() -> None:
    waiting = batcher(size=8, wait=60.0)
    waiting.add(chunk(6))
    assert waiting.take(0.0) is None
    waiting.limit_size(3)
    waiting.limit_size(5)  # never raised again
    waiting.add(chunk(4, partition=1), bucket="new")
    found = [sizes_by_partition(waiting.take(0.0)) for _ in range(3)]
    assert found == [[(0, 3)], [(0, 3)], [(1, 3)]]


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
def test_limits_and_order_hold_over_lanes_buckets_and_weights(data: st.DataObject) -> None:
    max_size, max_weight = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 30))
    waiting = batcher(size=max_size, wait=0.1, weight=max_weight, num_lanes=3)
    tracker = OffsetTracker()
    sent: dict[tuple[int, int], list[int]] = defaultdict(list)
    left: dict[tuple[int, int], list[int]] = defaultdict(list)

    def drain(now: float) -> None:
        while (taken := waiting.take(now)) is not None:
            weights = [weight for part in taken.chunks for weight in part.weights or ()]
            assert 1 <= len(taken) <= max_size
            assert len(taken) == 1 or len(taken) * max(weights) <= max_weight
            for part in taken.chunks:
                assert isinstance(taken.bucket, int)
                left[part.batch.tp.partition, taken.bucket] += part.events

    count = 0
    for step in range(data.draw(st.integers(0, 12))):
        lane, bucket = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 1))
        weights = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=6))
        made = record_batch(
            [b"x"] * len(weights), tracker=tracker, partition=lane, first_offset=count, arrived=step
        )
        events = list(range(count, count + len(weights)))
        count += len(weights)
        waiting.add(Chunk(made, range(len(weights)), events, weights), bucket, lane)
        sent[lane, bucket] += events
        if data.draw(st.booleans()):
            drain(step + data.draw(st.sampled_from([0.0, 0.05, 0.1])))
    drain(1e9)
    assert left == sent
    assert len(waiting) == 0
