"""Renew the session of a connection before the broker ends it (KIP-368).

A broker closes a connection whose login has expired: that of a token, or any with
`connections.max.reauth.ms`. aiokafka logs in once per connection, so a worker whose tokens live for
five minutes would lose all its connections, and a request on each, every five minutes.

Requests that come while a connection logs in again wait for that; the broker allows no other
between the two requests of a login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaError

#: When to log in again, as a part of the session. Later than `tokens.REFRESH_AT`, so that there is
#: a new token by then.
_RENEW_AT = 0.85
#: The shortest time between two logins, and between two attempts to get a token.
_MIN_SECONDS = 0.5


class SessionRenewal:
    """Logs one connection in again and again, on the connection's event loop."""

    def __init__(
        self, log_in: Callable[[], Awaitable[None]], provider: Any, fail: Callable[[Exception], Any]
    ) -> None:
        """Do nothing yet.

        Args:
            log_in: sends the two requests of a login.
            provider: aiokafka's token provider; None: the login needs no token.
            fail: called with the error of a login that failed midway: close the connection.
        """
        self._log_in, self._provider, self._fail = log_in, provider, fail
        self._task: asyncio.Task[None] | None = None
        self._done: asyncio.Future[None] | None = None
        self.session_seconds = 0.0
        """How long the session of the last login lasts; 0: without limit."""

    @property
    def is_running(self) -> bool:
        """Whether the connection logs in again just now."""
        return self._done is not None

    async def wait(self) -> None:
        """Return once the connection is not logging in."""
        while self._done is not None:
            await asyncio.shield(self._done)

    def begin(self) -> None:
        """Renew the session from now on, if it has an end."""
        if self.session_seconds > 0:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def end(self) -> None:
        """Renew no more: the connection is closed."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _run(self) -> None:
        while self.session_seconds > 0 and self._task is not None:
            await asyncio.sleep(max(_RENEW_AT * self.session_seconds, _MIN_SECONDS))
            await self._await_token()
            await self._renew()

    async def _await_token(self) -> None:
        """Wait for a token before the login begins; the session lasts for a while yet."""
        while self._provider is not None:
            try:
                await self._provider.token()
            except KafkaError:  # logged by the source of the tokens
                await asyncio.sleep(_MIN_SECONDS)
            else:
                return

    async def _renew(self) -> None:
        self._done = asyncio.get_running_loop().create_future()
        try:
            await self._log_in()
        except (KafkaError, OSError, TimeoutError) as error:
            self._fail(error)
        finally:
            self._done.set_result(None)
            self._done = None
