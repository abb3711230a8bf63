"""Retries until success, and a time limit for work."""

from __future__ import annotations

import asyncio

import pytest

from streams.retry import retry, within


class Attempts:
    """Fails some times, then returns the number of attempts."""

    def __init__(self, num_failures: int) -> None:
        self.num_failures = num_failures
        self.num_attempts = 0
        self.reported: list[int] = []

    async def __call__(self) -> int:
        self.num_attempts += 1
        if self.num_attempts <= self.num_failures:
            raise ConnectionError(self.num_attempts)
        return self.num_attempts

    def report(self, error: Exception, num_failures: int) -> None:
        self.reported.append(num_failures)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []

    async def sleep(wait: float) -> None:
        seconds.append(wait)

    monkeypatch.setattr("streams.retry.asyncio.sleep", sleep)
    return seconds


async def test_retries_until_an_attempt_succeeds(slept: list[float]) -> None:
    attempts = Attempts(3)
    assert await retry(attempts, OSError, attempts.report, wait_seconds=0.5) == 4
    assert attempts.reported == [1, 2, 3]
    assert slept == [0.5, 0.5, 0.5]


async def test_waits_double_up_to_the_longest(slept: list[float]) -> None:
    attempts = Attempts(5)
    await retry(attempts, OSError, attempts.report, wait_seconds=1, max_wait_seconds=5)
    assert slept == [1, 2, 4, 5, 5]


async def test_other_errors_are_raised_at_once(slept: list[float]) -> None:
    attempts = Attempts(1)
    with pytest.raises(ConnectionError):
        await retry(attempts, ValueError, attempts.report, wait_seconds=1)
    assert attempts.num_attempts == 1
    assert slept == []


async def test_the_error_is_raised_when_retrying_ends(slept: list[float]) -> None:
    attempts = Attempts(9)
    with pytest.raises(ConnectionError):
        await retry(
            attempts, OSError, attempts.report, wait_seconds=1,
            gives_up=lambda: attempts.num_attempts == 3,
        )  # fmt: skip
    assert attempts.reported == [1, 2]


async def test_work_has_a_time_limit() -> None:
    assert await within(5, asyncio.sleep(0))
    assert not await within(0.01, asyncio.sleep(60))

    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await within(5, fail())

    async def be_canceled() -> None:
        raise asyncio.CancelledError

    assert await within(5, be_canceled())
