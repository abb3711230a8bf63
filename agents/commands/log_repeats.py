"""Keeps a library from flooding the log: the same line again within some seconds is left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

_SECONDS = 10.0
#: Lines remembered; then all are forgotten, so that memory is bounded.
_MAX_LINES = 1000


class NoRepeats(logging.Filter):
    """Lets a line through once in ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is new, or old enough to be said again."""
        line = (record.name, record.getMessage())
        now = self._clock()
        if now - self._last.get(line, float("-inf")) < _SECONDS:
            return False
        if len(self._last) >= _MAX_LINES:
            self._last.clear()
        self._last[line] = now
        return True
