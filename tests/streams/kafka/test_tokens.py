"""Tokens are shared, renewed in time, kept through outages, and asked for with a back-off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.kafka.errors import BrokerError, BrokerLoginError, TokenUnavailableError
from streams.kafka.tokens import Token, TokenSource, await_token


class Issuer:
    """Issues tokens that live for 100 seconds, unless it has an error to raise."""

    def __init__(self) -> None:
        self.now, self.asked = 1000.0, 0
        self.error: BrokerError | None = None
        self.source = TokenSource(self.fetch, clock=lambda: self.now)

    def fetch(self) -> Token:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Token(f"token-{self.asked}", self.now + 100, self.now + 80)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def test_a_token_is_used_until_a_fifth_of_its_time_is_left(issuer: Issuer) -> None:
    assert {issuer.source.token().text for _ in range(5)} == {"token-1"}
    issuer.now += 79
    assert issuer.source.token().text == "token-1"
    issuer.now += 2
    assert issuer.source.token().text == "token-2"
    assert issuer.asked == 2


def test_threads_that_ask_at_once_get_one_token(issuer: Issuer) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: issuer.source.token().text, range(100)))
    assert texts == {"token-1"}


def test_a_valid_token_survives_an_outage_and_the_log_says_so_once(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.source.token()
    issuer.error = TokenUnavailableError("can't reach https://issuer")
    with caplog.at_level(logging.WARNING):
        for _ in range(15):
            issuer.now += 1.0 if issuer.now >= 1081 else 81.0
            assert issuer.source.token().text == "token-1"
            assert issuer.source.problem == ""
        issuer.error = None
        issuer.now += 10
        assert issuer.source.token().text != "token-1"
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "no new login token: can't reach https://issuer; the present one expires in 19 s",
        "there is a new login token again",
    ]


def test_an_expired_token_is_not_used_and_the_problem_is_known(issuer: Issuer) -> None:
    issuer.source.token()
    issuer.error = TokenUnavailableError("can't reach https://issuer")
    issuer.now += 100
    with pytest.raises(TokenUnavailableError, match="can't reach https://issuer"):
        issuer.source.token()
    assert issuer.source.problem == "can't reach https://issuer"
    issuer.error = None
    issuer.now += 1
    assert issuer.source.token().text == "token-3"
    assert issuer.source.problem == ""


def test_failed_requests_are_repeated_with_a_growing_back_off(issuer: Issuer) -> None:
    issuer.error = TokenUnavailableError("away")
    for _ in range(1000):  # 100 seconds, ten callers a second
        with pytest.raises(TokenUnavailableError):
            issuer.source.token()
        issuer.now += 0.1
    assert 10 <= issuer.asked <= 16  # 0.5, 1, 2, 4, 8, then every ten seconds


def test_a_clock_that_is_set_back_does_not_stop_the_requests(issuer: Issuer) -> None:
    issuer.error = TokenUnavailableError("away")
    with pytest.raises(TokenUnavailableError):
        issuer.source.token()
    issuer.now -= 3600
    issuer.error = None
    assert issuer.source.token().text == "token-2"


def test_a_token_that_is_issued_expired_is_an_error(issuer: Issuer) -> None:
    source = TokenSource(lambda: Token("old", issuer.now - 5, 0.0), clock=lambda: issuer.now)
    with pytest.raises(TokenUnavailableError, match="already expired"):
        source.token()


def test_waiting_ends_with_the_outage_and_logs_it_once(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.error = TokenUnavailableError("can't reach https://issuer")

    def sleep(seconds: float) -> None:
        issuer.now += seconds
        if issuer.now > 1030:
            issuer.error = None

    await_token(issuer.source, sleep)
    assert issuer.source.token().text
    assert [r.getMessage() for r in caplog.records if "waiting" in r.getMessage()] == [
        "no login token: can't reach https://issuer: waiting for one"
    ]


def test_a_refused_login_is_not_waited_for(issuer: Issuer) -> None:
    issuer.error = BrokerLoginError("issues no token: HTTP status 401")

    def never(seconds: float) -> None:
        raise AssertionError("waits for a login that is refused")

    with pytest.raises(BrokerLoginError, match="401"):
        await_token(issuer.source, never)


def test_a_token_is_no_secret_in_a_traceback(issuer: Issuer) -> None:
    shown: list[Callable[[Token], str]] = [repr, str]
    for show in shown:
        assert "token-1" not in show(issuer.source.token())
