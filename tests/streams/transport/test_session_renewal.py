"""A connection logs in again before its session ends. On a real broker: test_token_login.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.transport import session_renewal
from streams.transport.session_renewal import SessionRenewal

Step = Callable[[], Awaitable[None]]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_renewal, "_MIN_SECONDS", 0.01)


class Login:
    """Counts the logins; each gives a session of so many seconds."""

    def __init__(self, sessions: list[float]) -> None:
        self.sessions, self.count, self.failures = sessions, 0, list[Exception]()
        self.is_slow = asyncio.Event()
        self.is_slow.set()
        self.error: Exception | None = None
        self.renewal = SessionRenewal(self.log_in, None, self.failures.append)
        self.renewal.session_seconds = sessions.pop(0)

    async def log_in(self) -> None:
        await self.is_slow.wait()
        if self.error is not None:
            self.renewal.end()  # as the connection does when it is closed
            raise self.error
        self.count += 1
        self.renewal.session_seconds = self.sessions.pop(0) if self.sessions else 0.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_session_without_end_is_not_renewed() -> None:
    login = Login([0.0])
    login.renewal.begin()
    await asyncio.sleep(0.05)
    assert login.count == 0


async def test_each_session_is_renewed_before_its_end() -> None:
    login = Login([0.05, 0.05, 0.05])
    login.renewal.begin()
    await until(lambda: login.count == 3)
    await asyncio.sleep(0.05)
    assert login.count == 3, "the last session has no end"


async def test_requests_wait_while_it_logs_in() -> None:
    login = Login([0.02])
    login.is_slow.clear()
    login.renewal.begin()
    await until(lambda: login.renewal.is_running)
    waiting = asyncio.ensure_future(login.renewal.wait())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    login.is_slow.set()
    await asyncio.wait_for(waiting, 30)
    assert login.count == 1
    assert not login.renewal.is_running


async def test_a_login_waits_for_its_token() -> None:
    asked = 0

    class Provider:
        async def token(self) -> str:
            nonlocal asked
            asked += 1
            if asked < 4:
                raise KafkaConnectionError("no login token")
            return "token"

    login = Login([0.02])
    login.renewal = SessionRenewal(login.log_in, Provider(), login.failures.append)
    login.renewal.session_seconds = 0.02
    login.renewal.begin()
    await until(lambda: login.count == 1)
    assert asked == 4


async def test_a_login_that_fails_closes_the_connection_and_frees_those_that_wait() -> None:
    login = Login([0.02])
    login.error = KafkaConnectionError("closed")
    login.is_slow.clear()
    login.renewal.begin()
    await until(lambda: login.renewal.is_running)
    waiting = asyncio.ensure_future(login.renewal.wait())
    login.is_slow.set()
    await asyncio.wait_for(waiting, 30)
    assert login.failures == [login.error]


async def test_a_closed_connection_is_not_renewed() -> None:
    login = Login([0.05, 0.05])
    login.renewal.begin()
    login.renewal.end()
    await asyncio.sleep(0.15)
    assert login.count == 0
