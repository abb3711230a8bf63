"""One limit for all partitions of a worker, under which none can stop the others."""

from __future__ import annotations

import random
import sys

import pytest

from streams.input_buffer import RECORD_BYTES, Room
from streams.offsets import OffsetTracker


def full(used: dict[str, int], num_partitions: int, max_bytes: int) -> set[str]:
    return Room(used, num_partitions, max_bytes).full()


def test_up_to_half_of_the_budget_nobody_is_stopped() -> None:
    assert full({"a": 49}, 1000, 100) == set()


def test_one_partition_may_use_all_that_is_not_the_share_of_others() -> None:
    assert full({"a": 99}, 1, 100) == set()
    assert full({"a": 100}, 1, 100) == {"a"}
    assert full({"a": 54}, 10, 100) == set()
    assert full({"a": 55}, 10, 100) == {"a"}


def test_those_that_wait_do_not_stop_the_others() -> None:
    """Nine of ten partitions wait for a schema, say; the tenth has its share."""
    used = dict.fromkeys("abcdefghi", 20)
    assert full(used, 10, 100) == set(used)
    assert full({**used, "j": 4}, 10, 100) == set(used)
    assert full({**used, "j": 5}, 10, 100) == {*used, "j"}


def test_what_one_takes_is_not_left_for_the_others() -> None:
    room: Room[str] = Room({"a": 10}, 10, 100)  # a share is 5; 50 - 5 are for any
    assert (room.left("a"), room.left("b")) == (45, 50)
    room.take("b", 30)
    assert (room.left("a"), room.left("b"), room.left("c")) == (20, 20, 25)
    room.take("a", 21)  # a record more than there is room for
    assert (room.left("a"), room.left("b"), room.left("c")) == (0, 0, 5)
    assert room.full() == {"a", "b"}


@pytest.mark.parametrize("seed", range(10))
def test_the_sum_is_above_the_budget_by_one_record_of_each_at_most(seed: int) -> None:
    rng, num_partitions, budget, most = random.Random(seed), rng_count(seed), 100_000, 900
    used = dict.fromkeys(range(num_partitions), 0)
    for _ in range(500):
        room = Room(used, num_partitions, budget)  # for each fetch, as a worker does
        for partition in rng.sample(range(num_partitions), num_partitions):
            for _ in range(rng.choice((1, 10, 100))):
                if room.left(partition) == 0:
                    break
                size = rng.randint(1, most)
                room.take(partition, size)
                used[partition] += size
        assert sum(used.values()) <= budget + most * num_partitions
        again = Room(used, num_partitions, budget)
        for partition in used:
            assert room.left(partition) == again.left(partition)
            assert (room.left(partition) == 0) == (partition in room.full())
            assert room.left(partition) >= budget // 2 // num_partitions - used[partition]
        if rng.random() < 0.3:
            used[rng.randrange(num_partitions)] = 0


def rng_count(seed: int) -> int:
    return (1, 2, 3, 10, 50)[seed % 5]


def test_a_record_counts_with_what_it_takes_besides_its_bytes() -> None:
    tracker = OffsetTracker()
    tracker.start(("in", 0), range(10), 1_000)
    span = tracker.start(("in", 1), range(5), 50)
    assert tracker.bytes_under_way() == {
        ("in", 0): 1_000 + 10 * RECORD_BYTES,
        ("in", 1): 50 + 5 * RECORD_BYTES,
    }
    tracker.finish(span, range(5))
    assert ("in", 1) not in tracker.bytes_under_way()


def test_a_record_of_small_parts_takes_no_more_than_is_counted() -> None:
    """A key, a value, a timestamp and three places in lists; offsets are a range."""
    key, value = b"k" * 10, b"v" * 20
    places = 3 * sys.getsizeof([None]) - 3 * sys.getsizeof([])
    timestamp = 8
    takes = sys.getsizeof(key) + sys.getsizeof(value) + places + timestamp
    assert takes <= len(key) + len(value) + RECORD_BYTES
