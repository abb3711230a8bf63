"""Where blocking work runs, so that the event loop never does it for long.

One thread per model copy (a model has one caller at a time), and two small pools shared by all
agents: one for decoding and encoding, which hold the GIL, and one for preparing (pictures, tokens),
which releases it. Work of well under a millisecond stays on the event loop's thread: handing it to
another thread and back costs more, because each hand-over waits for the GIL.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Args = TypeVarTuple("Args")

#: Work that is expected to take no longer runs on the event loop's thread. A tenth of what a
#: heartbeat or a health probe would notice, several times what a hand-over costs.
MAX_INLINE_SECONDS = 0.002
#: How much of an old, higher price a new, lower one leaves: one slow piece of work among many keeps
#: the price up for a while, so that the event loop does not find out again and again.
_MEMORY = 0.9


def device_executor(name: str) -> ThreadPoolExecutor:
    """Return a one-thread executor for one model copy on one device."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"device-{name}")


def host_executor(max_workers: int | None = None) -> ThreadPoolExecutor:
    """Return the pool for decoding and encoding; by default a thread a core."""
    return ThreadPoolExecutor(max_workers or os.cpu_count() or 2, thread_name_prefix="host")


def preparing_executor(max_workers: int) -> ThreadPoolExecutor:
    """Return the pool for what comes before a model."""
    return ThreadPoolExecutor(max_workers, thread_name_prefix="prepare")


async def run_on(
    executor: ThreadPoolExecutor, work: Callable[[Unpack[Args]], T], *args: *Args
) -> T:
    """Run `work` on an executor and wait for it without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(executor, work, *args)


class InlineOrPool:
    """Runs one kind of work: small pieces where they are, larger ones on a pool.

    The price of a unit (a byte to decode, an answer to encode) is learned from each piece, in the
    thread's own CPU time. Until the first piece is done the price is unknown: it goes to the pool.
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
            size: units of work, >= 0.
            work: called with `args`, on this thread or the pool's.
            args: of the work.
        """
        if size * self._seconds_per_unit <= self._max_inline_seconds:
            result, seconds = _timed(work, *args)
        else:
            result, seconds = await run_on(self._pool, _timed, work, *args)
        self._learn(seconds / max(size, 1))
        return result

    def _learn(self, price: float) -> None:
        known = self._seconds_per_unit
        is_cheaper = known != float("inf") and price < known
        self._seconds_per_unit = _MEMORY * known + (1 - _MEMORY) * price if is_cheaper else price


def _timed(work: Callable[[Unpack[Args]], T], *args: *Args) -> tuple[T, float]:
    started = time.thread_time()
    return work(*args), time.thread_time() - started
