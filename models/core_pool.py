"""The items of a batch on all cores at once, for work that lets go of the interpreter lock.

Decoding and resizing pictures do, and so do NumPy's loops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class CorePool:
    """Threads, one a core; they start with the first work.

    Work that is given to them must not give them work in turn and wait for it: that could wait
    for itself. So each model has its own, and the engine's pool is another.
    """

    def __init__(self, num_threads: int | None = None) -> None:
        """Take `num_threads` threads; None: as many as there are cores for this process."""
        self.num_threads = num_threads or _num_cores()
        self._threads = ThreadPoolExecutor(self.num_threads, thread_name_prefix="cores")

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return the work's results, in the order of the items.

        Raises:
            Exception: what the work raised on the first item in order on which it did.
        """
        if len(items) <= 1 or self.num_threads == 1:
            return [work(item) for item in items]
        return list(self._threads.map(work, items))

    def close(self) -> None:
        """Let the threads end when what they do is done."""
        self._threads.shutdown(wait=False)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
