"""When a broker last answered, and when it was last asked: facts, gathered as requests go by.

Nothing is asked for this: a consumer fetches or sends heartbeats all the time, a producer as long
as it has something to send.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class BrokerContact:
    """One client's requests. Written on the client's thread, read from any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.answered: float | None = None
        """When a broker last answered anything at all; None: never yet."""
        self.asked: float | None = None
        """When a request last began or ended; None: never yet."""
        self.last_error = ""
        """Why the last request failed, "" if it did not."""

    def watch(self, client: Any) -> None:
        """Note every request of an `aiokafka.client.AIOKafkaClient` from now on."""
        send = client.send

        async def noted(node_id: Any, request: Any, **kwargs: Any) -> Any:
            self.asked = self._clock()
            try:
                response = await send(node_id, request, **kwargs)
            except Exception as error:
                self.asked, self.last_error = self._clock(), str(error) or type(error).__name__
                raise
            self.asked = self.answered = self._clock()
            self.last_error = ""
            return response

        update = client._metadata_update

        async def noted_update(*args: Any, **kwargs: Any) -> bool:
            self.asked = self._clock()
            updated: bool = await update(*args, **kwargs)
            self.asked = self._clock()
            if updated:
                self.answered = self.asked
            return updated

        client.send, client._metadata_update = noted, noted_update

    def silent_seconds(self) -> float | None:
        """Return how long ago a broker last answered; None: never yet."""
        return None if self.answered is None else self._clock() - self.answered

    def idle_seconds(self) -> float:
        """Return how long ago a broker was last asked, infinity if never."""
        return float("inf") if self.asked is None else self._clock() - self.asked
