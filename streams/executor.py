"""Runs blocking work on threads, so that it never stops the event loop for long.

Each model copy has one thread, because a model has one caller at a time. All agents share two small
pools: one for decoding and encoding, which hold the GIL, and one for preparing (pictures, tokens),
which releases it. Work of well under a millisecond stays on the event loop's thread: moving it to
another thread and back costs more, because each switch waits for the GIL.

`tune_garbage_collector` keeps Python's garbage collector from slowing down all these threads.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Args = TypeVarTuple("Args")

#: Work that is expected to take at most this long runs on the event loop's thread: a tenth of what
#: a heartbeat or a health probe would notice, several times the cost of switching threads.
MAX_INLINE_SECONDS = 0.002
#: How slowly an expected cost falls: each cheaper measurement keeps this part of the old value. So
#: one slow piece of work keeps similar work away from the event loop for a while.
_DECAY = 0.9

#: Thresholds of `gc.set_threshold`. Python's defaults (700, 10, 10) scan every batch several times
#: while it passes through: a third of the CPU time of light models. Batches are freed by their
#: reference counts; the collector is needed only for objects in reference cycles.
_GC_THRESHOLDS = (50_000, 20, 50)


def device_executor(name: str) -> ThreadPoolExecutor:
    """Return a one-thread executor for one model copy on one device."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"device-{name}")


def host_executor(max_workers: int | None = None) -> ThreadPoolExecutor:
    """Return the pool for decoding and encoding; by default one thread for each core."""
    return ThreadPoolExecutor(max_workers or os.cpu_count() or 2, thread_name_prefix="host")


def preparing_executor(max_workers: int) -> ThreadPoolExecutor:
    """Return the pool for `prepare_batch` of models."""
    return ThreadPoolExecutor(max_workers, thread_name_prefix="prepare")


async def run_on(
    executor: ThreadPoolExecutor, work: Callable[[Unpack[Args]], T], *args: *Args
) -> T:
    """Run `work` on an executor and wait for it without blocking the event loop."""
    return await asyncio.get_running_loop().run_in_executor(executor, work, *args)


class InlineOrPool:
    """Runs one kind of work: small pieces on the calling thread, large ones on a pool.

    The cost of a unit (a byte to decode, an answer to encode) is measured with each piece, in the
    thread's CPU time. The first piece, whose cost is unknown, runs on the pool.
    """

    def __init__(
        self, pool: ThreadPoolExecutor, max_inline_seconds: float = MAX_INLINE_SECONDS
    ) -> None:
        self._pool = pool
        self._max_inline_seconds = max_inline_seconds
        self._seconds_per_unit = float("inf")

    async def run(self, size: int, work: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """Run `work` and return its result.

        Args:
            size: number of units, >= 0.
            work: called with `args`, on this thread or on one of the pool.
            args: arguments of `work`.
        """
        if size * self._seconds_per_unit <= self._max_inline_seconds:
            result, seconds = _timed(work, *args)
        else:
            result, seconds = await run_on(self._pool, _timed, work, *args)
        self._learn(seconds / max(size, 1))
        return result

    def _learn(self, cost: float) -> None:
        """Take a higher cost at once, a lower one step by step."""
        expected = self._seconds_per_unit
        is_cheaper = expected != float("inf") and cost < expected
        self._seconds_per_unit = _DECAY * expected + (1 - _DECAY) * cost if is_cheaper else cost


def _timed(work: Callable[[Unpack[Args]], T], *args: *Args) -> tuple[T, float]:
    started = time.thread_time()
    return work(*args), time.thread_time() - started


def tune_garbage_collector() -> None:
    """Make collections rare, and exclude all present objects (modules, loaded models) from them."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # otherwise extension modules report all these objects as leaks
    gc.set_threshold(*_GC_THRESHOLDS)
