"""Retry work until it succeeds, and stop work that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

#: How long canceled work may take to end.
_CANCEL_SECONDS = 1.0


async def retry(
    attempt: Callable[[], Awaitable[T]],
    errors: type[Exception] | tuple[type[Exception], ...],
    report: Callable[[Exception, int], None],
    *,
    wait_seconds: float,
    max_wait_seconds: float = 0.0,
    gives_up: Callable[[], bool] = lambda: False,
) -> T:
    """Return the result of the first successful attempt.

    Args:
        attempt: makes one attempt.
        errors: error types to retry after; other errors are raised at once.
        report: logs an error; called with the error and the number of failures so far, from 1.
        wait_seconds: wait after the first failure; it doubles up to `max_wait_seconds`.
        max_wait_seconds: the longest wait; if 0, every wait is `wait_seconds`.
        gives_up: returns whether to raise the error instead of retrying.
    """
    for num_failures in count(1):
        try:
            return await attempt()
        except errors as error:
            if gives_up():
                raise
            report(error, num_failures)
        await asyncio.sleep(wait_seconds)
        wait_seconds = max(min(2 * wait_seconds, max_wait_seconds), wait_seconds)
    raise AssertionError("unreachable")


async def within(seconds: float, work: Coroutine[Any, Any, Any]) -> bool:
    """Await work, but cancel it after a time limit; return whether it ended in time.

    Raises:
        Exception: any exception of the work except its cancellation.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        if not task.cancelled():
            task.result()
        return True
    task.cancel()
    await asyncio.wait([task], timeout=_CANCEL_SECONDS)
    return False
