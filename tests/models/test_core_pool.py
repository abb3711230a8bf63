"""The pool of cores: results in order, errors kept, no deadlock."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.core_pool import CorePool


def test_results_come_in_the_order_of_the_items() -> None:
    cores = CorePool(4)
    assert cores.map(lambda n: n * n, range(100)) == [n * n for n in range(100)]
    assert cores.map(str, []) == []


def test_items_are_processed_at_the_same_time() -> None:
    cores = CorePool(3)
    together = threading.Barrier(3, timeout=10)  # passes only if three are in it at a time

    def meet(_: int) -> str:
        together.wait()
        return threading.current_thread().name

    assert len(set(cores.map(meet, range(3)))) == 3


def test_the_first_error_in_order_is_raised() -> None:
    def fail_on_odd(n: int) -> int:
        if n % 2:
            raise ValueError(f"{n} is odd")
        return n

    with pytest.raises(ValueError, match="3 is odd"):
        CorePool(2).map(fail_on_odd, [2, 3, 4, 5])


def test_a_single_item_needs_no_other_thread() -> None:
    def where(_: int) -> threading.Thread:
        return threading.current_thread()

    assert CorePool(4).map(where, [0]) == [threading.current_thread()]
    assert CorePool(1).map(where, [0, 1]) == [threading.current_thread()] * 2


def test_more_callers_than_threads_do_not_deadlock() -> None:
    cores = CorePool(2)
    with ThreadPoolExecutor(8) as host:
        actual = list(host.map(lambda k: cores.map(lambda n: n + k, range(20)), range(8)))
    assert actual == [[n + k for n in range(20)] for k in range(8)]


def test_the_default_is_one_thread_for_each_core() -> None:
    assert CorePool().num_threads >= 1
