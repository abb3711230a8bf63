"""Virtual time: an event loop whose clock jumps to the next timer, and executors on its clock.

A test on it is deterministic (one thread, no real clock), never sleeps, and detects a deadlock at
once: tasks wait and no timer is left.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


#: Seconds that each round of the loop takes. asyncio runs a timer up to a nanosecond early; if the
#: clock stood still, code that then waits for the rest would wait forever.
_TICK = 2e-9


class DeadlockError(AssertionError):
    """All tasks wait and no timer is scheduled."""


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock to the next timer instead of sleeping until then."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("all tasks wait and no timer is scheduled")
        self.now += timeout + _TICK
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and jumps to the next timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


class VirtualExecutor(ThreadPoolExecutor):
    """Runs each call on the loop's thread, once its virtual seconds have passed.

    Before the loop runs, calls run at once.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: Callable[[], float], num_workers: int = 1
    ) -> None:
        super().__init__(max_workers=1)
        self._loop = loop
        self._seconds = seconds
        self._free_at = [0.0] * num_workers

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Schedule a call on the worker that is free first."""
        future: Future[T] = Future()
        if not self._loop.is_running():
            _run(future, fn, args, kwargs)
            return future
        worker = self._free_at.index(min(self._free_at))
        ends_at = max(self._loop.time(), self._free_at[worker]) + self._seconds()
        self._free_at[worker] = ends_at
        self._loop.call_at(ends_at, _run, future, fn, args, kwargs)
        return future


def _run(
    future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(fn(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)


def cycle(seconds: list[float]) -> Callable[[], float]:
    """Return a function that returns the durations in turn, over and over."""

    endless = itertools.cycle(seconds)
    return lambda: next(endless)


def run_virtually(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a virtual loop, and close the loop.

    Raises:
        DeadlockError: it waits for something that can't happen.
    """
    loop.set_default_executor(VirtualExecutor(loop, lambda: 0.0))
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        asyncio.set_event_loop(None)
        loop.close()
