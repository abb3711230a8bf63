"""Wait for something that other processes or threads bring about."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Not shorter: many conditions read a topic or metrics, and the worker needs the cores.
_POLL_SECONDS = 0.1


def wait_until(what: str, condition: Callable[[], bool], timeout: float = 30.0) -> None:
    """Wait until a condition holds; `what` describes it in the failure's message.

    Raises:
        AssertionError: it did not hold within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"after {timeout:g} s this still did not hold: {what}"
        time.sleep(_POLL_SECONDS)


def wait_for_count(
    what: str, count: Callable[[], int], at_least: int, timeout: float = 30.0
) -> None:
    """Wait until a count has reached a number; the failure's message gives the last count.

    Raises:
        AssertionError: it was still below `at_least` after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while (current := count()) < at_least:
        assert time.monotonic() < deadline, (
            f"after {timeout:g} s: {current} {what}, expected at least {at_least}"
        )
        time.sleep(_POLL_SECONDS)
