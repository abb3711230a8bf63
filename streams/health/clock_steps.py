"""Notice that the system clock was set, or that the machine was suspended.

Timeouts, batches and sessions use the monotonic clock, which does not jump. But the age of an event
is measured by the system clock: when that is set forward, `overload: latest` drops events that are
not old, and when it is set back, it answers some that are. No program can tell which of the two
times is right, so each step is logged and counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

#: Clocks that are corrected gradually move by less than a thousandth.
MIN_STEP_SECONDS = 1.0
#: The system clock is read between two readings of the monotonic one. Further apart, the process
#: was interrupted in between, and the difference of the clocks says nothing.
_MAX_READING_SECONDS = 0.1


class ClockSteps:
    """Compares the system clock with the monotonic clock."""

    def __init__(
        self,
        on_step: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Compare nothing yet.

        Args:
            on_step: called at each step.
            clock: monotonic, seconds.
            wall_clock: Unix time in seconds.
        """
        self._on_step = on_step
        self._clock = clock
        self._wall_clock = wall_clock
        self._difference: float | None = None

    def look(self) -> None:
        """Log and count a step since the last look; call it about once a second."""
        before = self._clock()
        now = self._wall_clock()
        after = self._clock()
        if after - before > _MAX_READING_SECONDS:
            return
        difference, last = now - after, self._difference
        self._difference = difference
        if last is None or abs(difference - last) < MIN_STEP_SECONDS:
            return
        seconds = difference - last
        self._on_step()
        logger.warning(
            "the system clock has moved %s by %.1f s: it was set, or the machine was suspended; "
            "ages of events, and `overload: latest` with them, follow it",
            "forward" if seconds > 0 else "back", abs(seconds),
        )  # fmt: skip
