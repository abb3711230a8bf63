"""Note when a client last sent a request, and when a broker last answered.

No extra requests are sent: a consumer fetches and sends heartbeats all the time, a producer sends
while it has results.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import for_code


class BrokerContact:
    """The requests of one client. Written on the client's thread, read from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.answered: float | None = None
        """When a broker last answered any request; None: never."""
        self.asked: float | None = None
        """When a request last began or ended; None: never."""
        self.first_asked: float | None = None
        """When a request first began; None: never."""
        self.last_error = ""
        """Why the last request failed or was rejected; "" if it succeeded."""

    async def send(
        self, send: Callable[..., Awaitable[Any]], node_id: Any, request: Any, **kwargs: Any
    ) -> Any:
        """Send a request, and note when it began and how it ended."""
        self._note_request()
        try:
            response = await send(node_id, request, **kwargs)
        except Exception as error:
            self.asked, self.last_error = self._clock(), str(error) or type(error).__name__
            raise
        self.asked = self.answered = self._clock()
        self.last_error = _rejection(response)
        return response

    async def update_metadata(
        self, update: Callable[..., Awaitable[bool]], *args: Any, **kwargs: Any
    ) -> bool:
        """Update the client's metadata, and note whether a broker answered."""
        self._note_request()
        updated = await update(*args, **kwargs)
        self.asked = self._clock()
        if updated:
            self.answered = self.asked
        else:
            self.last_error = self.last_error or "no broker can be reached"
        return updated

    def _note_request(self) -> None:
        self.asked = self._clock()
        if self.first_asked is None:
            self.first_asked = self.asked

    def silent_seconds(self) -> float | None:
        """Return for how long no broker has answered; None: no request was sent yet."""
        since = self.first_asked if self.answered is None else self.answered
        return None if since is None else self._clock() - since

    def fails(self, seconds: float) -> bool:
        """Whether requests have failed for this long, and none was answered."""
        silent = self.silent_seconds()
        return silent is not None and silent > seconds and self.last_error != ""

    def idle_seconds(self) -> float:
        """Return how long ago a request last began or ended; infinity if never."""
        return float("inf") if self.asked is None else self._clock() - self.asked


def _rejection(response: Any) -> str:
    """Return the first error in a produce response; "" if there is none."""
    if not type(response).__name__.startswith("ProduceResponse"):
        return ""
    for topic, partitions in response.topics:
        for partition, code, *_ in partitions:
            if code:
                return f"{topic} {partition}: {for_code(code).message}"
    return ""
