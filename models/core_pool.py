"""Process the items of a batch on all cores, for work that releases the GIL.

Decoding and resizing pictures release it, and so do NumPy's loops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class CorePool:
    """A pool with one thread for each core; the threads start with the first work.

    Work that runs in the pool must not wait for other work in the same pool: that could be a
    deadlock. So each model has a pool, separate from the engine's.
    """

    def __init__(self, num_threads: int | None = None) -> None:
        """Set the number of threads; None: the number of cores that this process may use."""
        self.num_threads = num_threads or _num_cores()
        self._threads = ThreadPoolExecutor(self.num_threads, thread_name_prefix="cores")

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return the result for each item, in the order of the items.

        Raises:
            Exception: the exception of the first item, in order, that failed.
        """
        if len(items) <= 1 or self.num_threads == 1:
            return [work(item) for item in items]
        return list(self._threads.map(work, items))

    def close(self) -> None:
        """End the threads once their current work is finished."""
        self._threads.shutdown(wait=False)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
