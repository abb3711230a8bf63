"""One limit for all partitions of a worker, under which none can stop the others."""

from __future__ import annotations

import random
import sys

import pytest

from streams.input_buffer import RECORD_BYTES, over_budget
from streams.offsets import OffsetTracker


def test_up_to_half_of_the_budget_nobody_is_stopped() -> None:
    assert over_budget({"a": 49}, 1000, 100) == set()


def test_one_partition_may_use_all_that_is_not_the_share_of_others() -> None:
    assert over_budget({"a": 99}, 1, 100) == set()
    assert over_budget({"a": 100}, 1, 100) == {"a"}
    assert over_budget({"a": 54}, 10, 100) == set()
    assert over_budget({"a": 55}, 10, 100) == {"a"}


def test_those_that_wait_do_not_stop_the_others() -> None:
    """Nine of ten partitions wait for a schema, say; the tenth has its share."""
    used = dict.fromkeys("abcdefghi", 20)
    assert over_budget(used, 10, 100) == set(used)
    assert over_budget({**used, "j": 4}, 10, 100) == set(used)
    assert over_budget({**used, "j": 5}, 10, 100) == {*used, "j"}


@pytest.mark.parametrize("seed", range(10))
def test_the_sum_is_above_the_budget_by_what_is_taken_at_once_at_most(seed: int) -> None:
    rng, num_partitions, budget, most = random.Random(seed), rng_count(seed), 100_000, 900
    used = dict.fromkeys(range(num_partitions), 0)
    for _ in range(5_000):
        wanted = rng.randrange(num_partitions)
        if wanted not in over_budget(used, num_partitions, budget):
            used[wanted] += rng.randint(1, most)
        if rng.random() < 0.3:
            used[rng.randrange(num_partitions)] = 0
        # Each partition may go past its share once, by what it takes then.
        assert sum(used.values()) <= budget + most * (num_partitions + 1)
        share = budget // 2 // num_partitions
        over = over_budget(used, num_partitions, budget)
        assert all(used[each] >= share for each in over)


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
