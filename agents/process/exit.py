"""How a process ends: when it is asked to, when its work fails, or by force.

Python waits for its threads as it ends, and no thread can be ended from outside. So a worker whose
model call hangs leaves its consumer group in order, and then ends without that thread.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

logger = logging.getLogger(__name__)

#: Exit code of a worker that ended because a model call hung.
HANG_EXIT_CODE = 3
#: Exit code of a worker whose `group.instance.id` another member of the group has taken.
FENCED_EXIT_CODE = 4


class ModelHangsError(RuntimeError):
    """A model call did not return in time; the message names the agent."""


def exit_code_of(failure: BaseException) -> int:
    """Return the exit code of a worker that ends because of a failure."""
    from streams.transport.static_member import FencedMemberError

    if isinstance(failure, ModelHangsError):
        return HANG_EXIT_CODE
    return FENCED_EXIT_CODE if isinstance(failure, FencedMemberError) else 1


def end_process(code: int) -> None:
    """End the process at once, whatever its threads do; buffered output is written first."""
    with suppress(Exception):
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or its disk is full
            stream.flush()
    os._exit(code)


def end_process_after(seconds: float, code: int) -> None:
    """End the process after some seconds if it still runs then."""

    def wait_and_end() -> None:
        time.sleep(seconds)
        logger.warning("not everything ended in time: the process ends without it")
        end_process(code)

    threading.Thread(target=wait_and_end, name="end", daemon=True).start()


@contextmanager
def end_on_signals() -> Iterator[None]:
    """End the process at once, with exit code 0, on SIGINT or SIGTERM.

    For the time before a worker begins: its models load on threads that nothing can end, and
    nothing needs to be finished. Only for the main thread.
    """

    def end(_: int, __: FrameType | None) -> None:
        with suppress(Exception):  # the signal may have interrupted a write to the same stream
            logger.info("stopped before the worker began")
        end_process(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a request to stop; a second one acts as usual.

    Yields a function that returns whether a stop was requested. Only for the main thread: Python
    lets no other thread set signal handlers.
    """
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(_: int, __: FrameType | None) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, request)
    try:
        yield stop.is_set
    finally:
        restore()
