"""Keeps an outage of the broker, which is told of once, from being told by every request too."""

from __future__ import annotations

import logging
from collections.abc import Callable

#: Kafka's client, which tries again several times a second, those who wait for it, and who tells
#: of what is given up at the end.
_WAITING = (
    *("aiokafka", "asyncio", "mode.timers"),
    *("streams.transport.consumer", "streams.transport.transport"),
)


class OneOutage(logging.Filter):
    """Leaves out what is said of a broker that is known to be away."""

    def __init__(self, is_known: Callable[[], bool]) -> None:
        super().__init__()
        self._is_known = is_known

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line tells something new."""
        return not (record.name.startswith(_WAITING) and self._is_known())
