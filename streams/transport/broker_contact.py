"""When a broker last answered, and when it was last asked: facts, gathered as requests go by.

Nothing is asked for this: a consumer fetches or sends heartbeats all the time, a producer as long
as it has something to send.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import for_code


class BrokerContact:
    """One client's requests. Written on the client's thread, read from any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.answered: float | None = None
        """When a broker last answered anything at all; None: never yet."""
        self.asked: float | None = None
        """When a request last began or ended; None: never yet."""
        self.first_asked: float | None = None
        """When a request first began; None: never yet."""
        self.last_error = ""
        """Why the last request failed, or what it was refused for; "" if neither."""

    def watch(self, client: Any) -> None:
        """Note every request of an `aiokafka.client.AIOKafkaClient` from now on."""
        send = client.send

        async def noted(node_id: Any, request: Any, **kwargs: Any) -> Any:
            self._asks()
            try:
                response = await send(node_id, request, **kwargs)
            except Exception as error:
                self.asked, self.last_error = self._clock(), str(error) or type(error).__name__
                raise
            self.asked = self.answered = self._clock()
            self.last_error = _refusal(response)
            return response

        update = client._metadata_update

        async def noted_update(*args: Any, **kwargs: Any) -> bool:
            self._asks()
            updated: bool = await update(*args, **kwargs)
            self.asked = self._clock()
            if updated:
                self.answered = self.asked
            else:
                self.last_error = self.last_error or "no broker can be reached"
            return updated

        client.send, client._metadata_update = noted, noted_update

    def _asks(self) -> None:
        self.asked = self._clock()
        if self.first_asked is None:
            self.first_asked = self.asked

    def silent_seconds(self) -> float | None:
        """Return for how long no broker has answered; None: none was ever asked."""
        since = self.first_asked if self.answered is None else self.answered
        return None if since is None else self._clock() - since

    def fails(self, seconds: float) -> bool:
        """Whether requests have failed, and none was answered, for so long."""
        silent = self.silent_seconds()
        return silent is not None and silent > seconds and self.last_error != ""

    def idle_seconds(self) -> float:
        """Return how long ago a broker was last asked, infinity if never."""
        return float("inf") if self.asked is None else self._clock() - self.asked


def _refusal(response: Any) -> str:
    """Return what a produce request was refused for by its partition's leader, "" if it was not."""
    if not type(response).__name__.startswith("ProduceResponse"):
        return ""
    for topic, partitions in response.topics:
        for partition, code, *_ in partitions:
            if code:
                return f"{topic} {partition}: {for_code(code).message}"
    return ""
