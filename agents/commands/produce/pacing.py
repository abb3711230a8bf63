"""When the next event is due, by a schedule rather than by a pause after each event."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How far the schedule may fall behind before it starts anew. A source that stalled must not
#: be followed by a burst of everything that it missed.
MAX_BEHIND_SECONDS = 1.0
#: Events due so soon go at once: shorter pauses than this cost more than they shape.
_AT_ONCE_SECONDS = 0.001


class Pace:
    """Turns at a steady rate; the time spent between turns is part of the schedule.

    Args:
        rate: turns a second, 0 for no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate if rate > 0 else 0.0
        self._clock = clock
        self._due = clock()

    def wait_seconds(self) -> float:
        """Return how long until the next turn, 0 if it is due."""
        if not self._interval:
            return 0.0
        wait = self._due - self._clock()
        return wait if wait > _AT_ONCE_SECONDS else 0.0

    def took_turn(self) -> None:
        """Move the schedule on by one turn."""
        self._due = max(self._due, self._clock() - MAX_BEHIND_SECONDS) + self._interval
