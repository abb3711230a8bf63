"""Hold results back while this worker may have lost its partitions without knowing it.

A worker that was frozen (by its machine, by SIGSTOP) for longer than its session is no longer a
member of its group. Other workers answer its records then, and what it sends before it learns that
is a repeat. So after such a gap it first waits for the answer to a heartbeat.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import IllegalGenerationError, KafkaError, UnknownMemberIdError
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams.transport.client_requests import Send
from streams.transport.static_member import FENCED

_JOINED = SyncGroupRequest.API_KEY
#: Sent all the time: while no coordinator answers heartbeats, it is looked for.
_GROUP_REQUESTS = {HeartbeatRequest.API_KEY, _JOINED, FindCoordinatorRequest.API_KEY}
#: Answers to a worker that is not a member any more.
_EXPELLED = {IllegalGenerationError.errno, UnknownMemberIdError.errno, FENCED}
_LOOK_SECONDS = 0.02


class GroupSession:
    """Whether a worker still is a member of its group. Written on the consumer's thread."""

    def __init__(self, session_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet.

        Args:
            session_seconds: after this time without a heartbeat the group expels a member.
            clock: monotonic seconds.
        """
        self._session_seconds = session_seconds
        self._clock = clock
        self._asked: float | None = None
        """When the last group request began that did not expel this worker; None: never."""
        self.is_lost = False
        """Whether the group has expelled this worker, until it has joined again."""

    async def send(self, send: Send, node_id: Any, request: Any, **kwargs: Any) -> Any:
        """Send a request; note the answer if the group's coordinator gives it."""
        if request.API_KEY not in _GROUP_REQUESTS:
            return await send(node_id, request, **kwargs)
        began = self._clock()
        try:
            response = await send(node_id, request, **kwargs)
        except KafkaError:
            # No answer: this worker is not frozen, and as much a member as before. While the
            # coordinator is away, results are sent as long as other brokers take them.
            self._asked = began
            raise
        self._note(request.API_KEY, response.error_code, began)
        return response

    def _note(self, api_key: int, error_code: int, began: float) -> None:
        if error_code in _EXPELLED:
            self.is_lost = True
            return
        self._asked = began
        if api_key == _JOINED and not error_code:
            self.is_lost = False

    def is_doubtful(self) -> bool:
        """Whether others may have this worker's partitions: it is expelled, or was frozen."""
        is_silent = self._asked is not None and self._clock() - self._asked > self._session_seconds
        return self.is_lost or is_silent

    async def confirm(self) -> None:
        """Wait while the membership is doubtful: for a heartbeat's answer, or to join again."""
        while self.is_doubtful():
            await asyncio.sleep(_LOOK_SECONDS)
