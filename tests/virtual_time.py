"""Time that costs nothing: a loop whose clock jumps to what happens next, and pools that obey it.

A test on it is deterministic (one thread, no real clock), takes no longer than its work, and
notices a deadlock at once: when nothing is left that could ever happen.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


#: Each round of the loop takes so many seconds. asyncio runs a timer up to a nanosecond early; on
#: a clock that stood still meanwhile, whoever then waits for the rest would wait for ever.
_TICK = 2e-9


class DeadlockError(AssertionError):
    """Everything waits and nothing is scheduled."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the clock there."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("nothing is scheduled, but something is still waited for")
        self.now += timeout + _TICK
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


class VirtualExecutor(ThreadPoolExecutor):
    """Runs work on the loop's own thread, each piece when its virtual seconds have passed.

    Before the loop runs, work is done at once.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: Callable[[], float], num_workers: int = 1
    ) -> None:
        super().__init__(max_workers=1)
        self._loop = loop
        self._seconds = seconds
        self._free_at = [0.0] * num_workers

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Schedule a piece of work behind what the first free worker has to do."""
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
    """Return a function that gives some durations in turn, over and over."""

    def turns() -> Iterator[float]:
        while True:
            yield from seconds

    endless = turns()
    return lambda: next(endless)


def run_virtually(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a virtual loop, and close the loop.

    Raises:
        DeadlockError: it waits for what can never come.
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
